using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>
/// Creates the pool of a rehearsal, keeps it open and deletes it with everything in it. The pool requires an access code
/// that only this process knows, and closes by itself unless it is renewed, so a closed pool was left by a rehearsal that was killed.
/// </summary>
internal sealed class RehearsalPool(IAdminApi api, string name, TimeProvider time)
{
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan RenewalInterval = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);
    private const int UsesPerToken = 20;
    private const int MaxTokens = 1_000;

    /// <summary>The allocator's clock minus this machine's.</summary>
    private TimeSpan _clockOffset;

    public string AccessCode { get; } = RandomNumberGenerator.GetHexString(48, lowercase: true);

    /// <exception cref="CommandException">A pool with this name exists.</exception>
    public async Task CheckNameAsync(CancellationToken cancel)
    {
        var found = await api.FindPoolAsync(name, cancel);
        if (found.StatusCode != HttpStatusCode.NotFound)
        {
            var pool = Reply.Content(found);
            throw new CommandException(ExitCode.WrongUsage, pool.Settings.Rehearsal
                ? $"Another rehearsal is running in pool '{name}', or ended less than {Lease.TotalMinutes:0} minutes ago. Choose another name."
                : $"Pool '{name}' is not a rehearsal pool; it has {Vms(pool.Vms.Total)}. A rehearsal creates its own pool: choose another name.");
        }
        _clockOffset = found.Headers?.Date - time.GetUtcNow() ?? TimeSpan.Zero;
    }

    /// <summary>Creates the pool and the enrolment tokens for its VMs.</summary>
    /// <returns>Tokens for some VMs each, because enrolments with the same token are serialized by the database.</returns>
    public async Task<IReadOnlyList<string>> CreateAsync(int vms, CancellationToken cancel)
    {
        Reply.Check(await api.PutPoolAsync(name, Settings() with { AccessCode = AccessCode }, cancel));
        var uses = Math.Max(UsesPerToken, (vms + MaxTokens - 1) / MaxTokens);
        var request = new EnrolmentTokenRequest(name, Uses: uses, Count: (vms + uses - 1) / uses);
        return [.. Reply.Content(await api.MakeEnrolmentTokensAsync(request, cancel)).Items.Select(made => made.Token)];
    }

    /// <summary>Keeps the pool open until cancelled.</summary>
    public async Task RenewAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(RenewalInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                // A failure is ignored: the lease outlasts several renewals.
                using var reply = await api.PutPoolAsync(name, Settings(), cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The rehearsal has ended.
        }
    }

    /// <summary>Deletes the pool, and retries until the timeout while the allocator is unreachable.</summary>
    /// <exception cref="CommandException">The pool could not be deleted.</exception>
    public async Task DeleteAsync(TimeSpan timeout)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await DeleteAsync(api, name, CancellationToken.None);
                return;
            }
            catch (CommandException e) when (e.Code == ExitCode.Unreachable && time.GetElapsedTime(started) < timeout)
            {
                await Task.Delay(RetryInterval, time, CancellationToken.None);
            }
        }
    }

    /// <summary>Deletes the pools of rehearsals that were killed.</summary>
    /// <returns>A sentence for each rehearsal pool found.</returns>
    public static async IAsyncEnumerable<string> DeleteLeftoversAsync(IAdminApi api, [EnumeratorCancellation] CancellationToken cancel)
    {
        foreach (var pool in Reply.Content(await api.ListPoolsAsync(cancel)).Where(pool => pool.Settings.Rehearsal))
        {
            if (pool.Open)
            {
                yield return $"Rehearsal {pool.Name} is running, or ended less than {Lease.TotalMinutes:0} minutes ago: not deleted.";
            }
            else
            {
                await DeleteAsync(api, pool.Name, cancel);
                yield return $"Deleted pool {pool.Name} of an earlier rehearsal, with {Vms(pool.Vms.Total)}.";
            }
        }
    }

    /// <summary>Deletes the pool with everything in it, unless a VM in it is not simulated.</summary>
    private static async Task DeleteAsync(IAdminApi api, string name, CancellationToken cancel)
    {
        var found = await api.FindPoolAsync(name, cancel);
        if (found.StatusCode == HttpStatusCode.NotFound)
        {
            return;
        }
        if (!Reply.Content(found).Settings.Rehearsal)
        {
            throw new CommandException(ExitCode.Refused, $"Pool '{name}' is not a rehearsal pool, so it was not deleted.");
        }
        var vms = await Reply.AllAsync(int.MaxValue, (after, limit) =>
            api.ListVmsAsync(new Dictionary<string, string> { ["pool"] = name }, after, limit, cancel));
        if (vms.Items.FirstOrDefault(vm => !vm.Hostname.StartsWith($"{name}-", StringComparison.Ordinal)) is { } real)
        {
            throw new CommandException(ExitCode.Refused,
                $"Rehearsal pool '{name}' was not deleted, because {real.Hostname} has joined it and is not a simulated VM. "
                + $"Enrol that VM in another pool, then run: allocator pools delete {name}");
        }
        Reply.Check(await api.DeletePoolAsync(name, cancel));
    }

    private PoolSettings Settings() => new(ClosesAt: (time.GetUtcNow() + _clockOffset + Lease).UtcDateTime, Rehearsal: true);

    private static string Vms(long count) => count == 1 ? "1 VM" : $"{count:N0} VMs";
}
