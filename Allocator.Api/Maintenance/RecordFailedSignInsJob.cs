using Allocator.Api.Data;
using Allocator.Api.Security;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Records the failed sign-ins of this replica in one event, at most once a minute: guessers must not fill the history.</summary>
internal sealed class RecordFailedSignInsJob(NpgsqlDataSource database, SignInFailures failures, TimeProvider time)
    : MaintenanceJob("record_failed_sign_ins")
{
    private const string Record =
        $"""
        insert into events (actor, action, detail)
        values ('allocator', '{EventActions.SignInFailed}', jsonb_build_object(
            'count', $1::bigint, 'refused', $2::bigint, 'addresses', $3::int, 'names', to_jsonb($4::text[]), 'unknown', $5::bigint))
        """;

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private long? _recordedAt;

    public override bool IsDue() => failures.Any && (_recordedAt is not { } at || time.GetElapsedTime(at) >= Interval);

    public override async Task RunAsync(CancellationToken cancel)
    {
        var taken = failures.Take();
        try
        {
            await database.Command(Record, taken.Count, taken.Refused, taken.Addresses.Count, taken.Names.Order().ToArray(), taken.Unknown)
                .ExecuteAsync(cancel);
            _recordedAt = time.GetTimestamp();
        }
        catch
        {
            failures.PutBack(taken);
            throw;
        }
    }
}
