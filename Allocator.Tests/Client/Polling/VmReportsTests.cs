using System.Net;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client.Polling;

public sealed class VmReportsTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    [Fact]
    public async Task Changes_are_reported_once_together_before_the_next_poll()
    {
        await using var harness = new ClientHarness();
        await harness.StartAsync();
        await harness.PassPollsAsync(2);

        harness.Report(new VmReport(Gpu: GpuHealth.Healthy));
        harness.Report(new VmReport(InUse: true));
        harness.Report(new VmReport(Status: VmStatus.Running, InUse: false));
        await harness.PassPollsAsync(2);
        harness.Report(new VmReport(Gpu: GpuHealth.Healthy, InUse: false));
        await harness.PassPollsAsync(2);
        harness.Report(new VmReport(Gpu: GpuHealth.Unhealthy));
        await harness.PassPollsAsync(2);

        Assert.Equal(
            [new VmReport(VmStatus.Running, BootId: "boot-1"), new VmReport(Gpu: GpuHealth.Healthy, InUse: false),
                new VmReport(Gpu: GpuHealth.Unhealthy)],
            harness.Reports);
    }

    [Fact]
    public async Task Startup_steps_of_several_reporters_are_merged_by_name()
    {
        await using var harness = new ClientHarness();
        await harness.StartAsync();
        await harness.PassPollsAsync(2);

        harness.Report(new VmReport(Startup: new Dictionary<string, double> { ["kernel"] = 1.5, ["packages"] = 20 }));
        await harness.PassPollsAsync(2);
        harness.Report(new VmReport(Startup: new Dictionary<string, double> { ["packages"] = 20, ["desktop"] = 3 }));
        await harness.PassPollsAsync(2);

        Assert.Equal(new Dictionary<string, double> { ["kernel"] = 1.5, ["packages"] = 20, ["desktop"] = 3 }, harness.Reports.Last().Startup);
        Assert.Equal(3, harness.Reports.Count);
    }

    [Fact]
    public async Task Report_is_repeated_after_the_retry_after_until_acknowledged()
    {
        await using var harness = new ClientHarness();
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        var refusals = new List<DateTimeOffset>();
        harness.OnReport = _ =>
        {
            refusals.Add(harness.Time.GetUtcNow());
            return Reply(HttpStatusCode.ServiceUnavailable, "", ("Retry-After", "100"));
        };

        harness.Report(new VmReport(Gpu: GpuHealth.Unhealthy));
        await harness.PassUntilAsync(() => refusals.Count == 3, "the report has been refused three times");
        Assert.All(refusals.Zip(refusals.Skip(1)), pair => Assert.InRange((pair.Second - pair.First).TotalSeconds, 100, 132));
        Assert.True(harness.Polls.Count > 6, "polls go on");

        harness.OnReport = _ => Empty(HttpStatusCode.NoContent);
        await harness.PassUntilAsync(() => harness.Reports.Count == 2, "the report has been received");
        Assert.Equal(new VmReport(Gpu: GpuHealth.Unhealthy), harness.Reports.Last());
    }

    [Fact]
    public async Task Rejected_fact_does_not_block_the_others()
    {
        await using var harness = new ClientHarness();
        var refused = 0;
        harness.OnReport = report =>
        {
            if (report.Startup is null)
            {
                return Empty(HttpStatusCode.NoContent);
            }
            Interlocked.Increment(ref refused);
            return Reply(HttpStatusCode.BadRequest, "");
        };
        await harness.StartAsync();
        harness.Report(new VmReport(Startup: new Dictionary<string, double> { ["never"] = -1 }));
        await harness.PassPollsAsync(4);

        Assert.Contains(new VmReport(VmStatus.Running), harness.Reports);
        Assert.Contains(new VmReport(BootId: "boot-1"), harness.Reports);
        // It is sent once with the others and once alone.
        Assert.Equal(2, refused);
    }

    [Fact]
    public async Task Vm_that_enrols_again_reports_everything_again()
    {
        await using var harness = new ClientHarness();
        await harness.StartAsync();
        harness.Report(new VmReport(InUse: true));
        await harness.PassPollsAsync(2);
        harness.OnPoll = poll => poll.Authorization == "Bearer vm-1.fresh" ? Free(1) : Reply(HttpStatusCode.Unauthorized, "");
        harness.OnEnrol = () => Json(HttpStatusCode.Created, """{"hostname":"vm-1","pool":"default","token":"vm-1.fresh"}""");

        await harness.PassUntilAsync(() => harness.Reports.Count == 2, "the client reports again");

        Assert.All(harness.Reports, report => Assert.Equal(new VmReport(VmStatus.Running, InUse: true, BootId: "boot-1"), report));
    }

    [Fact]
    public async Task Vm_whose_handler_failed_has_an_error_until_it_reports_running()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "exit 1");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the failure is reported");
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Reports);

        harness.Report(new VmReport(VmStatus.Running));
        await harness.PassUntilAsync(() => harness.Reports.Count == 2, "the client has reported the status");
        Assert.Equal(new VmReport(VmStatus.Running), harness.Reports.Last());
    }

    [Fact]
    public async Task Facts_reported_while_the_client_stops_are_sent()
    {
        await using var harness = new ClientHarness { OnBuild = services => services.AddHostedService<StopReport>() };
        await harness.StartAsync();
        await harness.PassPollsAsync(2);

        await harness.StopAsync();

        Assert.Equal(new VmReport(VmStatus.Rebooting), harness.Reports.Last());
    }

    [Fact]
    public async Task Unresponsive_server_delays_the_stop_by_seconds_only()
    {
        // Nothing else limits the duration.
        await using var harness = new ClientHarness(options => options with { RequestTimeout = TimeSpan.FromHours(1) })
        {
            OnBuild = services => services.AddHostedService<StopReport>()
                .Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromHours(1)),
        };
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        using var asked = new ManualResetEventSlim();
        using var over = new ManualResetEventSlim();
        var wasAnswered = false;
        harness.OnReport = _ =>
        {
            asked.Set();
            over.Wait(TimeSpan.FromMinutes(1));
            wasAnswered = true;
            return Empty(HttpStatusCode.NoContent);
        };

        var stop = harness.StopAsync();
        Assert.True(asked.Wait(TimeSpan.FromMinutes(1)), "a report is sent");
        harness.Time.Advance(TimeSpan.FromSeconds(3));
        await stop;

        Assert.False(wasAnswered);
        over.Set();
    }

    /// <summary>A reporter that reports that the VM is shutting down.</summary>
    private sealed class StopReport(VmReports reports) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            reports.Report(new VmReport(VmStatus.Rebooting));
            return Task.CompletedTask;
        }
    }
}
