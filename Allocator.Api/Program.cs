using Allocator.Api;
using Allocator.Api.Assignments;
using Allocator.Api.Settings;
using Allocator.Api.Data;
using Allocator.Api.Events;
using Allocator.Api.Fleet;
using Allocator.Api.Health;
using Allocator.Api.Maintenance;
using Allocator.Api.Polling;
using Allocator.Api.Pools;
using Allocator.Api.Security;
using Allocator.Api.Telemetry;
using Allocator.Api.Vms;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;

try
{
    if (await Commands.RunAsync(args) is { } exitCode)
    {
        return exitCode;
    }

    // appsettings.json lies beside the program, whatever the working folder is.
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.AddSecretFiles();
    builder.AddDatabase();
    builder.AddWeb();
    builder.AddSecurity();
    builder.AddFleet();
    builder.AddPolls();
    builder.AddAssignments();
    builder.AddVms();
    builder.AddPools();
    builder.AddEvents();
    builder.AddMaintenance();
    builder.AddHealth();
    builder.AddTelemetry();

    var app = builder.Build();
    app.UseTelemetryExceptForPolls();
    app.UseForwardedHeaders();
    app.UseExceptionHandler();
    app.UseStatusCodePages();
    app.UseSecurityHeaders();
    app.RefuseCrossSiteChanges();
    app.UseAuthentication();
    app.UseAuthorization();
    app.UseOutputCache();

    app.MapPolls();
    app.MapAssignments();
    app.MapAdminAssignments();
    app.MapVms();
    app.MapEnrolmentTokens();
    app.MapHolds();
    app.MapPools();
    app.MapRosters();
    app.MapEvents();
    app.MapHealth(() => app.Services.GetRequiredService<VmFleet>().IsLoaded);
    app.MapMetrics();
    app.MapConfiguration();
    app.MapOpenApi();

    // Every wrong setting is reported before anything starts.
    app.Services.GetRequiredService<IStartupValidator>().Validate();
    return await app.RunUntilStoppedAsync();
}
catch (Exception e) when (StartupErrors.Describe(e) is { } message)
{
    await Console.Error.WriteLineAsync(message);
    return 1;
}
