using Allocator.Api.Data;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Data;

public sealed class EncryptionTests
{
    [Theory]
    [InlineData("Host=db.example.org", SslMode.VerifyFull)]
    [InlineData("Server=10.0.0.7;Port=5432", SslMode.VerifyFull)]
    [InlineData("Host=127.0.0.1,db.example.org", SslMode.VerifyFull)]
    [InlineData("Host=db.example.org;SSL Mode=Require", SslMode.Require)]
    [InlineData("Host=db.example.org;sslmode=disable", SslMode.Disable)]
    [InlineData("Host=/run/postgresql", SslMode.Prefer)]
    [InlineData("Host=127.0.0.1:5433", SslMode.Prefer)]
    [InlineData("Host=::1", SslMode.Prefer)]
    [InlineData("Host=localhost", SslMode.Prefer)]
    public void Certificate_of_a_database_on_another_machine_is_verified_unless_the_settings_say_otherwise(string connectionString, SslMode mode)
    {
        using var database = DatabaseSetup.CreateDataSource(new DatabaseOptions { ConnectionString = connectionString }, NullLoggerFactory.Instance);
        Assert.Equal(mode, new NpgsqlConnectionStringBuilder(database.ConnectionString).SslMode);
    }
}
