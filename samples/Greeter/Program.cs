using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

// A program that is a workshop VM. GREETER_Url is the allocator's address; GREETER_EnrolmentToken lets the VM enrol.
var builder = Host.CreateApplicationBuilder(args);
builder.Configuration.AddEnvironmentVariables("GREETER_");
builder.Services.AddAllocatorClient<Greeter>(new AllocatorClientOptions
{
    Url = new Uri(builder.Configuration["Url"] ?? "http://127.0.0.1:8080"),
    EnrolmentToken = _ => new(builder.Configuration["EnrolmentToken"]),
    Hostname = builder.Configuration["Hostname"] ?? "greeter",
    StateFolder = builder.Configuration["StateFolder"] ?? "greeter-state",
    FirstPollWithin = TimeSpan.FromSeconds(1),
});
await builder.Build().RunAsync();

/// <summary>Greets the person to whom the VM is assigned, and says goodbye when the assignment ends.</summary>
internal sealed partial class Greeter(ILogger<Greeter> log) : IAssignmentHandler
{
    public Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel)
    {
        Log.Hello(log, person.Email, vm.Hostname);
        return Task.FromResult(HandlerResult.Connected($"https://{vm.Hostname}.example.org/"));
    }

    public Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel)
    {
        Log.Goodbye(log);
        return Task.FromResult(HandlerResult.Clean);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Hello {Email}, {Hostname} is yours")]
        public static partial void Hello(ILogger log, string email, string hostname);

        [LoggerMessage(Level = LogLevel.Information, Message = "Goodbye")]
        public static partial void Goodbye(ILogger log);
    }
}
