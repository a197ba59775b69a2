using System.Diagnostics;
using Allocator.DevDatabase;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Data;

public sealed class PrivatePostgresTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-private-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Data_is_kept_between_runs()
    {
        await using (var first = await PrivatePostgres.StartAsync(_folder))
        {
            await ExecuteAsync(first, "create table kept as select 42 as answer");
        }
        await using var second = await PrivatePostgres.StartAsync(_folder);
        Assert.Equal(42, await ExecuteAsync(second, "select answer from kept"));
    }

    [Fact]
    public async Task Server_starts_in_a_folder_that_others_cannot_enter()
    {
        var closed =
            Directory.CreateDirectory(Path.Combine(_folder, "closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await using var postgres = await PrivatePostgres.StartAsync(Path.Combine(closed.FullName, "data"));
        Assert.Equal(1, await ExecuteAsync(postgres, "select 1"));
    }

    [Fact]
    public async Task Second_server_on_the_same_data_is_refused_with_a_remedy()
    {
        await using var first = await PrivatePostgres.StartAsync(_folder);
        var refused = await Assert.ThrowsAsync<PrivatePostgresException>(() => PrivatePostgres.StartAsync(_folder));
        Assert.Contains("--data FOLDER", refused.Message, StringComparison.Ordinal);
        Assert.Equal(1, await ExecuteAsync(first, "select 1"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Server_ends_with_the_process_that_started_it(bool killed)
    {
        await using var program = Executable.Start("Allocator.DevDatabase", [_folder], new Dictionary<string, string?>());
        await Wait.UntilAsync(() => program.Output.Contains("Host=", StringComparison.Ordinal), "the database runs");
        var postmaster = await File.ReadAllLinesAsync(Path.Combine(_folder, "postgres", "postmaster.pid"));
        var (server, socket) = (int.Parse(postmaster[0], null), postmaster[4]);
        Assert.True(IsRunning(server));

        if (killed)
        {
            await program.KillAsync();
        }
        else
        {
            Assert.Equal(0, await program.StopAsync());
        }

        await Wait.UntilAsync(() => !IsRunning(server), "the server has ended");
        Assert.Equal(killed, Directory.Exists(socket));
        if (killed)
        {
            // A killed process cannot clean up.
            Directory.Delete(socket);
        }
    }

    [Fact]
    public async Task Socket_folder_is_removed_with_the_server_unless_it_holds_other_files()
    {
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        var socket = new NpgsqlConnectionStringBuilder(postgres.ConnectionString).Host!;
        Assert.True(Directory.Exists(socket));
        await postgres.StopAsync();
        Assert.False(Directory.Exists(socket));

        await postgres.StartAsync();
        Assert.Equal(1, await ExecuteAsync(postgres, "select 1"));
        var otherFile = Path.Combine(socket, "other-file");
        await File.WriteAllTextAsync(otherFile, "");
        await postgres.StopAsync();
        Assert.Equal([otherFile], Directory.GetFileSystemEntries(socket));
        Directory.Delete(socket, recursive: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Link_or_open_folder_in_the_place_of_the_socket_is_refused_and_not_followed(bool isLink)
    {
        var data = Path.Combine(_folder, "data");
        var target = Directory.CreateDirectory(Path.Combine(_folder, "target")).FullName;
        var before = File.GetUnixFileMode(target);
        string socket;
        await using (var postgres = await PrivatePostgres.StartAsync(data))
        {
            socket = new NpgsqlConnectionStringBuilder(postgres.ConnectionString).Host!;
        }
        if (isLink)
        {
            Directory.CreateSymbolicLink(socket, target);
        }
        else
        {
            Directory.CreateDirectory(socket);
            File.SetUnixFileMode(socket, File.GetUnixFileMode(socket) | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute);
        }
        try
        {
            var refused = await Assert.ThrowsAsync<PrivatePostgresException>(() => PrivatePostgres.StartAsync(data));
            Assert.Contains($"rm -rf {socket}", refused.Message, StringComparison.Ordinal);
            Assert.Equal(before, File.GetUnixFileMode(target));
        }
        finally
        {
            Directory.Delete(socket);
        }
    }

    [Fact]
    public async Task Half_initialized_data_folder_is_created_again()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "postgres.new", "base"));
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        Assert.Equal(1, await ExecuteAsync(postgres, "select 1"));
    }

    private static async Task<object?> ExecuteAsync(PrivatePostgres postgres, string sql)
    {
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString + ";Pooling=false");
        await using var command = database.CreateCommand(sql);
        return await command.ExecuteScalarAsync();
    }

    private static bool IsRunning(int id) => Process.GetProcesses().Any(process => process.Id == id);
}
