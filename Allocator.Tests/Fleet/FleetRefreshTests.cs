using Allocator.Api.Fleet;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Fleet;

public sealed class FleetRefreshTests
{
    [Fact]
    public async Task Committed_change_does_not_fail_because_the_vm_cannot_be_read_again()
    {
        await using var away = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody;Database=none");
        var store = new FleetStore(away);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => store.FindAsync("vm-1", CancellationToken.None));

        await new FleetRefresh(store, new VmFleet(), NullLogger<FleetRefresh>.Instance).TryRefreshAsync("vm-1", CancellationToken.None);
    }
}
