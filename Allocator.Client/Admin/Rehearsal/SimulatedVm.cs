using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging.Abstractions;
using Refit;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>
/// Runs the library's client in memory, with a handler that only waits for a moment. The class also stands between that
/// client and the API, so that it records each response that the VM receives.
/// </summary>
internal sealed class SimulatedVm : IAssignmentHandler, IAllocatorApi, IAsyncDisposable
{
    /// <summary>The shortest and the longest time that preparing or cleaning takes.</summary>
    private static readonly (TimeSpan Min, TimeSpan Max) WorkTime = (TimeSpan.FromSeconds(0.3), TimeSpan.FromSeconds(1.5));

    private readonly IAllocatorApi _api;
    private readonly Recorder _recorder;
    private readonly TimeProvider _time;
    private readonly AssignmentWorker _worker;
    private readonly ConnectivityMonitor _connectivity;
    private readonly PollLoop _loop;

    /// <param name="api">All VMs use the same one, so that they share its connections.</param>
    public SimulatedVm(RehearsalPlan plan, int number, string enrolmentToken, IAllocatorApi api, Recorder recorder, TimeProvider time)
    {
        (_api, _recorder, _time, Log) = (api, recorder, time, new VmLog(plan.Hostname(number)));
        var options = new AllocatorClientOptions
        {
            Url = plan.Url,
            Hostname = Log.Hostname,
            Pool = plan.Pool,
            MachineId = Log.Hostname,
            BootId = Log.Hostname,
            EnrolmentToken = _ => new(enrolmentToken),
            KeepsNothing = true,
            FirstPollWithin = plan.BootsWithin,
        };
        var reports = new VmReports();
        var status = new StatusWriter(options, time, NullLogger<StatusWriter>.Instance);
        var state = new StateStore(options, status, reports, time, NullLogger<StateStore>.Instance);
        _worker = new AssignmentWorker(state, this, options, time, NullLogger<AssignmentWorker>.Instance);
        _connectivity = new ConnectivityMonitor(this, options, status, time, NullLogger<ConnectivityMonitor>.Instance);
        var startup = new StartupTimes(options, state, reports, time);
        _loop = new PollLoop(
            this, options, state, _worker, reports, _connectivity, status, startup, time, Random.Shared, NullLogger<PollLoop>.Instance);
    }

    public VmLog Log { get; }

    /// <summary>Returns an address that is unique to the assignment, so that the verifier notices when another person sees it.</summary>
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
        return HandlerResult.Connected(ConnectUrl(Log.Hostname, person.Id));
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
            _recorder.RecordAnswer(Log, answer);
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
        Task.Delay(WorkTime.Min + ((WorkTime.Max - WorkTime.Min) * Random.Shared.NextDouble()), _time, cancel);
}
