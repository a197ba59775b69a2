using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>
/// The pool that a rehearsal plays in: made for it, closed to everybody who does not know its code, and removed with all
/// that is in it. It closes by itself unless it is renewed all the time, and so one that is closed has been left behind.
/// </summary>
internal sealed class RehearsalPool(IAdminApi api, string name, TimeProvider time)
{
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(2);
    private const int UsesOfToken = 20;
    private const int MaxTokens = 1_000;

    /// <summary>By how much the allocator's clock is ahead of this machine's.</summary>
    private TimeSpan _ahead;

    /// <summary>Nobody else ever knows it.</summary>
    public string AccessCode { get; } = RandomNumberGenerator.GetHexString(48, lowercase: true);

    /// <exception cref="CommandException">There is a pool of this name already.</exception>
    public async Task CheckNameAsync(CancellationToken cancel)
    {
        var found = await api.FindPoolAsync(name, cancel);
        if (found.StatusCode != HttpStatusCode.NotFound)
        {
            var pool = Reply.Content(found);
            throw new CommandException(ExitCode.WrongUsage, pool.Settings.Rehearsal
                ? $"Another rehearsal is being played in pool '{name}', or ended less than {Lease.TotalMinutes:0} minutes ago. Choose another name."
                : $"Pool '{name}' is a real one, with {pool.Vms.Total:N0} VMs. A rehearsal makes a pool of its own: choose another name.");
        }
        _ahead = found.Headers?.Date - time.GetUtcNow() ?? TimeSpan.Zero;
    }

    /// <summary>Makes the pool, and what lets so many VMs into it.</summary>
    /// <returns>Enrolment tokens, for some VMs each: all that use the same one wait for each other.</returns>
    public async Task<IReadOnlyList<string>> MakeAsync(int vms, CancellationToken cancel)
    {
        Reply.Check(await api.PutPoolAsync(name, Settings() with { AccessCode = AccessCode }, cancel));
        var uses = Math.Max(UsesOfToken, (vms + MaxTokens - 1) / MaxTokens);
        var request = new EnrolmentTokenRequest(name, Uses: uses, Count: (vms + uses - 1) / uses);
        return [.. Reply.Content(await api.MakeEnrolmentTokensAsync(request, cancel)).Items.Select(made => made.Token)];
    }

    /// <summary>Keeps the pool open for as long as this program lives.</summary>
    public async Task RenewAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(RenewEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                // One that fails is made up for by the next.
                using var reply = await api.PutPoolAsync(name, Settings(), cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The rehearsal is over.
        }
    }

    /// <summary>Removes the pool, and keeps trying where the allocator is away.</summary>
    /// <exception cref="CommandException">It could not be removed.</exception>
    public async Task RemoveAsync(TimeSpan patience)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await RemoveAsync(api, name, CancellationToken.None);
                return;
            }
            catch (CommandException e) when (e.Code == ExitCode.Unreachable && time.GetElapsedTime(started) < patience)
            {
                await Task.Delay(RetryEvery, time, CancellationToken.None);
            }
        }
    }

    /// <summary>Removes what rehearsals have left behind that were ended by force.</summary>
    /// <returns>What was found, in words.</returns>
    public static async IAsyncEnumerable<string> RemoveLeftBehindAsync(IAdminApi api, [EnumeratorCancellation] CancellationToken cancel)
    {
        foreach (var pool in Reply.Content(await api.ListPoolsAsync(cancel)).Where(pool => pool.Settings.Rehearsal))
        {
            if (pool.Open)
            {
                yield return $"Rehearsal {pool.Name} is being played, or ended less than {Lease.TotalMinutes:0} minutes ago: left alone.";
            }
            else
            {
                await RemoveAsync(api, pool.Name, cancel);
                yield return $"Removed what an earlier rehearsal left behind: {pool.Name}, with {pool.Vms.Total:N0} VMs.";
            }
        }
    }

    /// <summary>With all that is in it, provided that all of it is a rehearsal's.</summary>
    private static async Task RemoveAsync(IAdminApi api, string name, CancellationToken cancel)
    {
        var found = await api.FindPoolAsync(name, cancel);
        if (found.StatusCode == HttpStatusCode.NotFound)
        {
            return;
        }
        if (!Reply.Content(found).Settings.Rehearsal)
        {
            throw new CommandException(ExitCode.Refused, $"Pool '{name}' is a real one. It is left as it is.");
        }
        var vms = await Reply.AllAsync(int.MaxValue, (after, limit) =>
            api.ListVmsAsync(name, null, null, null, null, null, null, null, null, after, limit, cancel));
        if (vms.Items.FirstOrDefault(vm => !vm.Hostname.StartsWith($"{name}-", StringComparison.Ordinal)) is { } real)
        {
            throw new CommandException(ExitCode.Refused,
                $"Pool '{name}' is a rehearsal's, and yet {real.Hostname} has joined it, which is not. It is left as it is: let that VM enrol elsewhere, then say: allocator pools delete {name}");
        }
        Reply.Check(await api.DeletePoolAsync(name, cancel));
    }

    private PoolSettings Settings() => new(ClosesAt: (time.GetUtcNow() + _ahead + Lease).UtcDateTime, Rehearsal: true);
}
