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

var config = new Option<FileInfo?>("--config") { Description = "The settings file; default: /etc/allocator/client.json, if it exists" };
var run = new Command("run", "Poll the allocator and run hooks on its answers, until stopped") { config };
run.SetAction((parsed, cancel) => RunAsync(parsed.GetValue(config), cancel));
var root = new RootCommand("The allocator's client: the agent of a workshop VM, and the commands for admins") { run };
// The agent on a VM starts faster without the other commands.
if (args is not ["run", ..])
{
    AdminCommands.AddTo(root);
    AgentCommands.AddTo(root);
    Help.AddTo(root);
}
var parsed = root.Parse(args);
// The host of the agent handles termination itself, and may need time to stop a hook. An interrupted command may have
// changes to undo on the server.
var code = await parsed.InvokeAsync(
    new InvocationConfiguration { ProcessTerminationTimeout = args is ["run", ..] ? null : TimeSpan.FromMinutes(2) });
return parsed.Action is ParseErrorAction ? (int)ExitCode.WrongUsage : code;

static async Task<int> RunAsync(FileInfo? config, CancellationToken cancel)
{
    var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "allocator" });
    // systemd started us with Type=notify: report readiness and status to it.
    var isService = Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is { Length: > 0 };
    if (isService)
    {
        builder.Services.AddSingleton<ISystemdNotifier, SystemdNotifier>()
            .AddSingleton<IHostLifetime, SystemdLifetime>()
            .AddHostedService<SystemdNotifications>();
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
        options = ClientSettings.Read(config).Options;
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
