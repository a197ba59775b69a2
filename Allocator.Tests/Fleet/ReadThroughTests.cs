using Allocator.Api.Fleet;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Allocator.Tests.Fleet;

public sealed class ReadThroughTests(PostgresServer server)
{
    private const string Reading =
        "select count(*) from pg_stat_activity where datname = current_database() "
        + "and wait_event_type = 'Lock' and query like '%where v.hostname = $1%'";

    [Fact]
    public async Task Reads_of_unknown_vms_are_bounded_and_the_others_are_refused()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Fleet:ReadThroughConcurrency"] = "2" });
        var readThrough = deployment.Replica.Services.GetRequiredService<ReadThrough>();
        await using var connection = await deployment.Database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = connection.CreateCommand())
        {
            // Every read waits for this lock.
            command.CommandText = "lock table vms in access exclusive mode";
            await command.ExecuteNonQueryAsync();
        }

        var reads = Enumerable.Range(1, 10).Select(i => readThrough.RefreshAsync($"vm-{i}", 1)).ToArray();
        await Wait.UntilAsync(async () => await deployment.QueryAsync<long>(Reading) == 2, "two VMs are being read");
        await Wait.UntilAsync(() => reads.Count(read => read.IsCompleted) == 8, "the other reads are refused");

        Assert.Equal(8, reads.Count(read => read.Exception?.InnerException is TimeoutException));
        Assert.Equal(2, await deployment.QueryAsync<long>(Reading));
        await transaction.RollbackAsync();
        Assert.All(await Task.WhenAll(reads.Where(read => !read.IsFaulted)), Assert.Null);
        // A refusal is not cached.
        Assert.All(await Task.WhenAll(Enumerable.Range(1, 10).Select(i => readThrough.RefreshAsync($"vm-{i}", 1))), Assert.Null);
    }

    [Fact]
    public async Task Many_polls_with_one_question_cause_one_read()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Fleet:ReadThroughMemory"] = "00:01:00" });
        var readThrough = deployment.Replica.Services.GetRequiredService<ReadThrough>();
        await deployment.ExecuteAsync("create extension pg_stat_statements; select pg_stat_statements_reset()");

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => readThrough.RefreshAsync("vm-1", 1)));
        Assert.Equal(1, await ReadsAsync());
        await readThrough.RefreshAsync("vm-1", 2);
        Assert.Equal(2, await ReadsAsync());

        Task<long> ReadsAsync() => deployment.QueryAsync<long>(
            """
            select coalesce(sum(calls), 0)::bigint
            from pg_stat_statements
            where dbid = (select oid from pg_database where datname = current_database()) and query like '%where v.hostname = $1%'
            """);
    }
}
