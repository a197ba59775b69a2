using System.CommandLine;
using System.Text.Json;
using Allocator.Client;
using Allocator.Contracts;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Refit;

var config = new Option<FileInfo?>("--config") { Description = "The settings file; /etc/allocator/client.json if it is there" };
var run = new Command("run", "Poll the allocator and act on what it says, until stopped") { config };
run.SetAction((parsed, cancel) => RunAsync(parsed.GetValue(config), cancel));
return await new RootCommand("The allocator's client: runs on each workshop VM") { run }.Parse(args).InvokeAsync();

static async Task<int> RunAsync(FileInfo? config, CancellationToken cancel)
{
    var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "allocator" });
    builder.Configuration
        .AddJsonFile(config?.FullName ?? "/etc/allocator/client.json", optional: config is null)
        .AddEnvironmentVariables("ALLOCATOR_");
    builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss "));
    builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("System.Net.Http", LogLevel.Warning);

    ClientOptions options;
    try
    {
        options = ClientOptions.Read(builder.Configuration);
    }
    catch (ClientOptionsException e)
    {
        await Console.Error.WriteLineAsync(e.Message);
        return 2;
    }

    var services = builder.Services;
    services.AddSingleton(options);
    services.AddSingleton(TimeProvider.System);
    services.AddSingleton(Random.Shared);
    services.AddSingleton<ClientState>();
    services.AddSingleton<HookRunner>();
    services.AddSingleton<AssignmentWorker>();
    services.AddHostedService<PollLoop>();
    services.AddRefitGeneratedClient<IAllocatorApi>(new RefitSettings(new SystemTextJsonContentSerializer(
            new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = WireJson.Default })))
        .ConfigureHttpClient(client => (client.BaseAddress, client.Timeout) = (options.Url, options.RequestTimeout))
        .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler
        {
            // The addresses behind a load balancer's name change.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            // A captive portal redirects; the allocator never does.
            AllowAutoRedirect = false,
        });
    using var host = builder.Build();
    await host.RunAsync(cancel);
    return 0;
}
