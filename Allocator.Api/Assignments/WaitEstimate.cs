using Allocator.Api.Data;
using Allocator.Api.Fleet;
using Allocator.Api.Polling;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>
/// Estimates how long a person in the queue still has to wait: free VMs take people as they poll, VMs that are cleaning
/// need as long as the last time, and VMs whose person has an expiry are free after it. People who give their VM back early
/// make the wait shorter. VMs without an expiry are ignored, so the estimate may be null.
/// </summary>
internal sealed class WaitEstimate(NpgsqlDataSource database, VmFleet fleet, PollInterval interval)
{
    /// <summary>Returns in how many seconds the $2nd of the VMs that are not free now will be free.</summary>
    private const string Until =
        """
        select extract(epoch from at - clock())::float8
        from (
            (
                select cleaning_since + cleaned_in as at
                from vms
                -- Only VMs that are unavailable for no other reason; the condition on the state is for its index.
                where state = 'cleaning' and unavailable_reasons <@ '{cleaning}' and pool = $1 and cleaned_in is not null
            )
            union all
            (
                select a.expires_at + coalesce(v.cleaned_in, '0')
                from assignments a
                join vms v on v.hostname = a.live_hostname
                where a.state <> 'ended' and a.expires_at is not null and a.pool = $1
                    and v.unavailable_reasons <@ '{assigned}'
                order by a.expires_at
                limit $2
            )
        ) next
        order by at
        offset $2 - 1
        limit 1
        """;

    /// <returns>The wait in seconds, or null if nothing is known about it.</returns>
    public async Task<double?> SecondsAsync(string poolName, long position, CancellationToken cancel)
    {
        if (fleet.FindPool(poolName) is not { } pool)
        {
            return null;
        }
        if (position <= pool.Free)
        {
            return Rounded(interval.UntilPolled((int)position, pool).TotalSeconds);
        }
        await using var command = database.Command(Until, poolName, position - pool.Free);
        return await command.ExecuteScalarAsync(cancel) is double seconds ? Rounded(seconds) : null;

        // The estimate is not exact enough for parts of a second.
        static double Rounded(double seconds) => Math.Max(1, Math.Ceiling(seconds));
    }
}
