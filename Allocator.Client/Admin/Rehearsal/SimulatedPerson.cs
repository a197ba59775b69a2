using System.Net;
using System.Security.Cryptography;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>Somebody who asks for a VM, watches their page, uses the VM and gives it back.</summary>
internal sealed class SimulatedPerson(RehearsalPlan plan, int number, string accessCode, IPersonApi api, Recorder recorder, TimeProvider time)
{
    private static readonly TimeSpan WhileWaiting = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WhileConnected = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan UntilAskingAgain = TimeSpan.FromSeconds(2);

    /// <param name="giveUp">Nothing happens any more: gives back what there is, and goes.</param>
    public async Task LiveAsync(CancellationToken giveUp, CancellationToken cancel)
    {
        using var going = CancellationTokenSource.CreateLinkedTokenSource(giveUp, cancel);
        try
        {
            await Task.Delay(plan.Arrival * Random.Shared.NextDouble(), time, going.Token);
            await VisitAsync(going.Token, cancel);
            if (RehearsalPlan.AsksAgain(number))
            {
                await PauseAsync(UntilAskingAgain, going.Token);
                await VisitAsync(going.Token, cancel);
            }
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            // What they have seen until now is what counts.
        }
    }

    private async Task VisitAsync(CancellationToken going, CancellationToken cancel)
    {
        var visit = new Visit(plan.Email(number), $"4/0{RandomNumberGenerator.GetHexString(24)}", recorder.Now);
        recorder.Visits.Enqueue(visit);
        try
        {
            if (await AskAsync(visit, going) && await FollowAsync(visit, going))
            {
                recorder.End();
            }
        }
        finally
        {
            if (visit.Id is { } id && !cancel.IsCancellationRequested)
            {
                visit.LeftAt = recorder.Now;
                await EndAsync(id, going, cancel);
            }
        }
    }

    /// <returns>Whether they are in the queue.</returns>
    private async Task<bool> AskAsync(Visit visit, CancellationToken cancel)
    {
        var request = new AssignmentRequest(visit.Email, plan.Pool, accessCode, $"start-host --code=\"{visit.Code}\"");
        while (true)
        {
            using var reply = await api.AskAsync(request, cancel);
            cancel.ThrowIfCancellationRequested();
            if (reply is { IsSuccessful: true, Content: { } assignment })
            {
                visit.Id = assignment.Id;
                recorder.See(visit, assignment);
                return true;
            }
            if (IsFinal(reply.StatusCode))
            {
                visit.Refusal = $"the request was answered with {(int)reply.StatusCode!}";
                return false;
            }
            await PauseAsync(WhileWaiting, cancel);
        }
    }

    /// <returns>Whether they have stayed for as long as they wanted.</returns>
    private async Task<bool> FollowAsync(Visit visit, CancellationToken cancel)
    {
        string? etag = null;
        TimeSpan? leaves = null;
        while (true)
        {
            using (var reply = await api.FindAsync(visit.Id!.Value, etag, cancel))
            {
                cancel.ThrowIfCancellationRequested();
                if (reply is { IsSuccessful: true, Content: { } page })
                {
                    etag = reply.Headers?.ETag?.ToString();
                    recorder.See(visit, page);
                    if (page.State == AssignmentState.Ended)
                    {
                        visit.Refusal = $"the assignment ended by itself ({page.EndReason})";
                        return false;
                    }
                    leaves = page.State == AssignmentState.Connected ? leaves ?? recorder.Now + plan.Stay : null;
                }
                else if (IsFinal(reply.StatusCode))
                {
                    visit.Refusal = $"the page was answered with {(int)reply.StatusCode!}";
                    return false;
                }
            }
            var rest = leaves - recorder.Now;
            if (rest <= TimeSpan.Zero)
            {
                return true;
            }
            await PauseAsync(rest is not { } left ? WhileWaiting : left < WhileConnected ? left : WhileConnected, cancel);
        }
    }

    private async Task EndAsync(Guid id, CancellationToken going, CancellationToken cancel)
    {
        while (true)
        {
            using var reply = await api.EndAsync(id, cancel);
            if (reply.IsSuccessful || IsFinal(reply.StatusCode) || going.IsCancellationRequested)
            {
                return;
            }
            await PauseAsync(WhileWaiting, cancel);
        }
    }

    private static bool IsFinal(HttpStatusCode? status) =>
        status is >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError and not HttpStatusCode.RequestTimeout and not HttpStatusCode.TooManyRequests;

    /// <summary>About so long: people who came together do not stay in step.</summary>
    private Task PauseAsync(TimeSpan about, CancellationToken cancel) =>
        Task.Delay(about * (0.75 + (0.5 * Random.Shared.NextDouble())), time, cancel);
}
