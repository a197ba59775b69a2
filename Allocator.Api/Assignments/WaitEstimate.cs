using Allocator.Api.Data;
using Allocator.Api.Fleet;
using Allocator.Api.Polling;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>
/// How long somebody in the queue will wait still, by what is known: free VMs take people as they poll; VMs that clean
/// need as long as the last time; VMs of people whose time will be up are free then. People who give their VM back early
/// make it shorter; of VMs without a time nothing is known, and so nothing is said.
/// </summary>
internal sealed class WaitEstimate(NpgsqlDataSource database, VmFleet fleet, PollInterval interval)
{
    /// <summary>When the $2nd VM of those that are not free now will be.</summary>
    private const string Until =
        """
        select extract(epoch from at - clock())::float8
        from (
            (
                select cleaning_since + cleaned_in as at
                from vms
                where state = 'cleaning' and pool = $1 and cleaned_in is not null
                    and hold is null and status = 'running' and lost_at is null and gpu is distinct from 'unhealthy'
            )
            union all
            (
                select a.expires_at + coalesce(v.cleaned_in, '0')
                from assignments a
                join vms v on v.hostname = a.live_hostname
                where a.state <> 'ended' and a.expires_at is not null and a.pool = $1
                    and v.hold is null and v.status = 'running' and v.lost_at is null and v.gpu is distinct from 'unhealthy'
                order by a.expires_at
                limit $2
            )
        ) next
        order by at
        offset $2 - 1
        limit 1
        """;

    /// <returns>In seconds; null where nothing true can be said.</returns>
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

        // A part of a second would be more than is known.
        static double Rounded(double seconds) => Math.Max(1, Math.Ceiling(seconds));
    }
}
