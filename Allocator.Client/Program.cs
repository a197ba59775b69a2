using System.CommandLine;
using System.CommandLine.Invocation;
using Allocator.Client.Admin;
using Allocator.Client.Agent;
using Allocator.Client.Agent.Hooks;
using Allocator.Client.Agent.Reporters;
using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;
using Allocator.Polling;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

var config = new Option<FileInfo?>("--config") { Description = "The settings file; /etc/allocator/client.json if it is there" };
var run = new Command("run", "Poll the allocator and act on what it says, until stopped") { config };
run.SetAction((parsed, cancel) => RunAsync(parsed.GetValue(config), cancel));
var root = new RootCommand("The allocator's client: runs on each workshop VM, and is what admins use") { run };
// The program on each VM does not pay for what admins do.
if (args is not ["run", ..])
{
    AdminCommands.AddTo(root);
    AgentCommands.AddTo(root);
    Help.AddTo(root);
}
var parsed = root.Parse(args);
// A service stops as its host says, and may take the time that it needs to stop a hook; who is interrupted may have
// something to undo on the server.
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = args is ["run", ..] ? null : TimeSpan.FromMinutes(2) });
return parsed.Action is ParseErrorAction ? (int)ExitCode.WrongUsage : code;

static async Task<int> RunAsync(FileInfo? config, CancellationToken cancel)
{
    var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "allocator" });
    // Whoever started it wants to be told how it is.
    var isService = Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is { Length: > 0 };
    if (isService)
    {
        builder.Services.AddSingleton<ISystemdNotifier, SystemdNotifier>().AddSingleton<IHostLifetime,
            SystemdLifetime>().AddHostedService<SystemdNotifications>();
        builder.Logging.AddSystemdConsole();
    }
    else
    {
        builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss "));
    }
    builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("System.Net.Http", LogLevel.Warning);

    ClientOptions options;
    try
    {
        ClientSettings.AddTo(builder.Configuration, config);
        options = ClientOptions.Read(builder.Configuration);
    }
    catch (Exception e) when (e is ClientOptionsException or IOException or InvalidDataException or UnauthorizedAccessException)
    {
        await Console.Error.WriteLineAsync(e is ClientOptionsException ? e.Message : e.GetBaseException().Message);
        return (int)ExitCode.WrongUsage;
    }

    builder.Services.AddSingleton(options).AddHostedService<InterruptedHooks>().AddAllocatorClient<HookRunner>(options).AddReporters(options);
    using var host = builder.Build();
    await host.RunAsync(cancel);
    return 0;
}
