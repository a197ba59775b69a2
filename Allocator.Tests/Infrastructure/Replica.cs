using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Allocator.Tests.Infrastructure;

/// <summary>One replica of the API: the real program on a real socket.</summary>
internal sealed class Replica : WebApplicationFactory<VmFleet>
{
    public const string AdminPassword = "correct horse battery staple";
    public const string ApiKey = "api-key-of-the-tests";
    public const string EnrolmentToken = "enrolment-token-of-the-tests";
    private static readonly string PasswordHash = Credentials.HashPassword(AdminPassword);

    private readonly Dictionary<string, string> _settings;

    public Replica(string connectionString, IReadOnlyDictionary<string, string> settings)
    {
        _settings = new Dictionary<string, string>
        {
            ["Database:ConnectionString"] = connectionString,
            ["Admin:Users:admin"] = PasswordHash,
            ["Admin:ApiKeys:tests"] = Credentials.HashKey(ApiKey),
            ["Enrolment:TokenHashes:0"] = Credentials.HashKey(EnrolmentToken),
            // The defaults, but shorter.
            ["Fleet:FeedInterval"] = "00:00:00.05",
            ["Liveness:Resolution"] = "00:00:00.5",
            ["Liveness:FlushInterval"] = "00:00:00.05",
            ["Liveness:SweepInterval"] = "00:00:00.1",
        };
        foreach (var (key, value) in settings)
        {
            _settings[key] = value;
        }
        UseKestrel(0);
        StartServer();
        Address = ClientOptions.BaseAddress;
    }

    public Uri Address { get; }

    public VmFleet Fleet => Services.GetRequiredService<VmFleet>();

    /// <summary>Creates a client with its own connection pool.</summary>
    public HttpClient Connect() => new() { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(30) };

    public Task WaitUntilReadyAsync() => Wait.UntilAsync(() => Fleet.IsLoaded, "the replica is ready");

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        builder.UseEnvironment("Production");
        builder.ConfigureLogging(logs => logs.ClearProviders().AddProvider(new TestOutput()));
        foreach (var (key, value) in _settings)
        {
            builder.UseSetting(key, value);
        }
    }
}
