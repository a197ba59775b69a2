using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging.Abstractions;
using Refit;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>
/// A VM as the allocator sees one: the library's own client, in memory, with a handler that only takes a moment. It
/// stands between that client and the wire, and so sees what the VM is really told.
/// </summary>
internal sealed class SimulatedVm : IAssignmentHandler, IAllocatorApi, IAsyncDisposable
{
    /// <summary>What preparing and cleaning take, at least and at most.</summary>
    private static readonly (TimeSpan Min, TimeSpan Max) Work = (TimeSpan.FromSeconds(0.3), TimeSpan.FromSeconds(1.5));

    private readonly IAllocatorApi _api;
    private readonly Recorder _recorder;
    private readonly TimeProvider _time;
    private readonly AssignmentWorker _worker;
    private readonly ConnectivityMonitor _connectivity;
    private readonly PollLoop _loop;

    /// <param name="api">The same one for all VMs: they share its connections.</param>
    public SimulatedVm(RehearsalPlan plan, int number, string enrolmentToken, IAllocatorApi api, Recorder recorder, TimeProvider time)
    {
        (_api, _recorder, _time, Seen) = (api, recorder, time, new VmLog(plan.Hostname(number)));
        var options = new AllocatorClientOptions
        {
            Url = plan.Url,
            Hostname = Seen.Hostname,
            Pool = plan.Pool,
            MachineId = Seen.Hostname,
            BootId = Seen.Hostname,
            EnrolmentToken = _ => new(enrolmentToken),
            KeepsNothing = true,
            FirstPollWithin = plan.BootsWithin,
        };
        var reports = new VmReports();
        var status = new StatusWriter(options, time, NullLogger<StatusWriter>.Instance);
        var state = new StateStore(options, status, reports, time, NullLogger<StateStore>.Instance);
        _worker = new AssignmentWorker(state, this, options, time, NullLogger<AssignmentWorker>.Instance);
        _connectivity = new ConnectivityMonitor(this, options, status, time, NullLogger<ConnectivityMonitor>.Instance);
        _loop = new PollLoop(
            this, options, state, _worker, reports, _connectivity, status, new StartupTimes(options, state, reports, time), time, Random.Shared, NullLogger<PollLoop>.Instance);
    }

    public VmLog Seen { get; }

    /// <summary>Where the person finds the desktop of this VM, which only they are shown.</summary>
    public static string ConnectUrl(string hostname, Guid assignment) => $"https://{hostname}.invalid/{assignment:N}";

    public Task StartAsync() => _loop.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await _loop.StopAsync(CancellationToken.None);
        await _worker.DisposeAsync();
        await _connectivity.DisposeAsync();
        _loop.Dispose();
    }

    public async Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel)
    {
        await WorkAsync(cancel);
        return HandlerResult.Connected(ConnectUrl(Seen.Hostname, person.Id));
    }

    public async Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel)
    {
        await WorkAsync(cancel);
        return HandlerResult.Clean;
    }

    public async Task<IApiResponse<VmAssignment>> PollAsync(string hostname, string? etag, string token, CancellationToken cancel)
    {
        var reply = await _api.PollAsync(hostname, etag, token, cancel);
        if (reply is { IsSuccessful: true, Content: { } answer })
        {
            _recorder.Tell(Seen, answer);
        }
        return reply;
    }

    public Task<IApiResponse<Contracts.Enrolment>> EnrolAsync(EnrolmentRequest request, string enrolmentToken, CancellationToken cancel) =>
        _api.EnrolAsync(request, enrolmentToken, cancel);

    public Task<IApiResponse> ReportOutcomeAsync(string hostname, OutcomeReport report, string token, CancellationToken cancel) =>
        _api.ReportOutcomeAsync(hostname, report, token, cancel);

    public Task<IApiResponse> ReportAsync(string hostname, VmReport report, string token, CancellationToken cancel) =>
        _api.ReportAsync(hostname, report, token, cancel);

    private Task WorkAsync(CancellationToken cancel) =>
        Task.Delay(Work.Min + ((Work.Max - Work.Min) * Random.Shared.NextDouble()), _time, cancel);
}
