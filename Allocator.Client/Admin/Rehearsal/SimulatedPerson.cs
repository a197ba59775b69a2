using System.Net;
using System.Security.Cryptography;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>Simulates a person who requests a VM, watches the page, stays for a while and releases the VM.</summary>
internal sealed class SimulatedPerson(
    RehearsalPlan plan, int number, string accessCode, IPersonApi api, Recorder recorder, TimeProvider time)
{
    private static readonly TimeSpan WaitingInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ConnectedInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan TimeBetweenVisits = TimeSpan.FromSeconds(2);

    /// <param name="giveUp">Cancelled when the rehearsal makes no progress: the person releases the VM and leaves.</param>
    public async Task RunAsync(CancellationToken giveUp, CancellationToken cancel)
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(giveUp, cancel);
        try
        {
            await Task.Delay(plan.Arrival * Random.Shared.NextDouble(), time, leaving.Token);
            await VisitAsync(leaving.Token, cancel);
            if (RehearsalPlan.ReturnsLater(number))
            {
                await PauseAsync(TimeBetweenVisits, leaving.Token);
                await VisitAsync(leaving.Token, cancel);
            }
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            // The verifier reports what was recorded until now.
        }
    }

    private async Task VisitAsync(CancellationToken leaving, CancellationToken cancel)
    {
        var visit = new Visit(plan.Email(number), $"4/0{RandomNumberGenerator.GetHexString(24)}", recorder.Now);
        recorder.Visits.Enqueue(visit);
        try
        {
            if (await RequestAsync(visit, leaving) && await FollowAsync(visit, leaving))
            {
                recorder.RecordDone();
            }
        }
        finally
        {
            if (visit.Id is { } id && !cancel.IsCancellationRequested)
            {
                visit.LeftAt = recorder.Now;
                await EndAsync(id, leaving, cancel);
            }
        }
    }

    /// <returns>True if the request was accepted.</returns>
    private async Task<bool> RequestAsync(Visit visit, CancellationToken cancel)
    {
        var request = new AssignmentRequest(visit.Email, plan.Pool, accessCode, $"start-host --code=\"{visit.Code}\"");
        while (true)
        {
            using var reply = await api.RequestAsync(request, cancel);
            cancel.ThrowIfCancellationRequested();
            if (reply is { IsSuccessful: true, Content: { } assignment })
            {
                visit.Id = assignment.Id;
                recorder.RecordView(visit, assignment);
                return true;
            }
            if (IsFinal(reply.StatusCode))
            {
                visit.Refusal = $"the request was answered with {(int)reply.StatusCode!}";
                return false;
            }
            await PauseAsync(WaitingInterval, cancel);
        }
    }

    /// <returns>True if the person stayed connected for the planned time.</returns>
    private async Task<bool> FollowAsync(Visit visit, CancellationToken cancel)
    {
        string? etag = null;
        TimeSpan? leavesAt = null;
        while (true)
        {
            using (var reply = await api.FindAsync(visit.Id!.Value, etag, cancel))
            {
                cancel.ThrowIfCancellationRequested();
                if (reply is { IsSuccessful: true, Content: { } page })
                {
                    etag = reply.Headers?.ETag?.ToString();
                    recorder.RecordView(visit, page);
                    if (page.State == AssignmentState.Ended)
                    {
                        visit.Refusal = $"the allocator ended the assignment ({page.EndReason})";
                        return false;
                    }
                    leavesAt = page.State == AssignmentState.Connected ? leavesAt ?? recorder.Now + plan.Stay : null;
                }
                else if (IsFinal(reply.StatusCode))
                {
                    visit.Refusal = $"the page was answered with {(int)reply.StatusCode!}";
                    return false;
                }
            }
            var remaining = leavesAt - recorder.Now;
            if (remaining <= TimeSpan.Zero)
            {
                return true;
            }
            await PauseAsync(remaining is not { } left ? WaitingInterval : left < ConnectedInterval ? left : ConnectedInterval, cancel);
        }
    }

    private async Task EndAsync(Guid id, CancellationToken leaving, CancellationToken cancel)
    {
        while (true)
        {
            using var reply = await api.EndAsync(id, cancel);
            if (reply.IsSuccessful || IsFinal(reply.StatusCode) || leaving.IsCancellationRequested)
            {
                return;
            }
            await PauseAsync(WaitingInterval, cancel);
        }
    }

    private static bool IsFinal(HttpStatusCode? status) =>
        status is >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError
            and not HttpStatusCode.RequestTimeout and not HttpStatusCode.TooManyRequests;

    /// <summary>Waits for 75 to 125 % of the duration, so that people who arrived together do not send requests in step.</summary>
    private Task PauseAsync(TimeSpan duration, CancellationToken cancel) =>
        Task.Delay(duration * (0.75 + (0.5 * Random.Shared.NextDouble())), time, cancel);
}
