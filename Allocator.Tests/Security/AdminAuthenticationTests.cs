using System.Net;
using System.Net.Http.Headers;
using Allocator.Api.Security;
using Allocator.Tests.Infrastructure;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using Xunit;

namespace Allocator.Tests.Security;

public sealed class AdminAuthenticationTests(PostgresServer server)
{
    [Fact]
    public async Task Only_admins_can_use_admin_endpoints()
    {
        await using var deployment = await Deployment.StartAsync(server);
        foreach (var path in new[] { "/vms", "/vms/vm-1", "/assignments", "/pools", "/pools/default" })
        {
            using var anonymous = await deployment.Person.GetAsync(path);
            Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
            Assert.Equal("application/problem+json", anonymous.Content.Headers.ContentType!.MediaType);
            Assert.Equal("Basic", Assert.Single(anonymous.Headers.WwwAuthenticate).Scheme);
        }
        Assert.Equal(HttpStatusCode.OK, await GetAsync(deployment, Deployment.Basic("admin", Replica.AdminPassword)));
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(deployment, Deployment.Basic("admin", "wrong")));
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(deployment, Deployment.Basic("nobody", Replica.AdminPassword)));
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(deployment, new AuthenticationHeaderValue("Basic", "not base64!")));
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(deployment, new AuthenticationHeaderValue("Basic", "bm8gY29sb24=")));
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(deployment, new AuthenticationHeaderValue("Bearer", Replica.EnrolmentToken)));
        var vm = await deployment.EnrolAsync("vm-1");
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(deployment, new AuthenticationHeaderValue("Bearer", vm.Token)));
    }

    [Fact]
    public async Task Api_key_is_accepted_instead_of_a_password()
    {
        await using var deployment = await Deployment.StartAsync(server);
        foreach (var (key, status) in new[] { (Replica.ApiKey, HttpStatusCode.OK), ("wrong", HttpStatusCode.Unauthorized),
            ("", HttpStatusCode.Unauthorized) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/vms");
            request.Headers.TryAddWithoutValidation("X-Api-Key", key);
            using var response = await deployment.Person.SendAsync(request);
            Assert.Equal(status, response.StatusCode);
        }
    }

    [Fact]
    public async Task Verified_password_is_cached_and_not_hashed_again()
    {
        var hasher = new CountingHasher();
        var admins = new AdminOptions { Users = { ["ada"] = Credentials.HashPassword("right") } };
        using var limits = new SignInLimits(TimeProvider.System);
        using var credentials = new Credentials(Options.Create(admins), Options.Create(new EnrolmentOptions()), hasher, limits);

        // Concurrent calls, like those of one page, and then one more.
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CheckAsync("ada", "right"))), Assert.True);
        Assert.True(await CheckAsync("ada", "right"));
        Assert.Equal(1, hasher.Verified);

        // Wrong credentials are never cached, and an unknown name takes as long as a wrong password.
        Assert.False(await CheckAsync("ada", "wrong"));
        Assert.False(await CheckAsync("nobody", "right"));
        Assert.Equal(3, hasher.Verified);

        async Task<bool> CheckAsync(string name, string password) =>
            (await credentials.CheckPasswordAsync(name, password, IPAddress.Loopback, default)).IsRight;
    }

    private sealed class CountingHasher : PasswordHasher<string>
    {
        public int Verified { get; private set; }

        public override PasswordVerificationResult VerifyHashedPassword(string user, string hashedPassword, string providedPassword)
        {
            Verified++;
            return base.VerifyHashedPassword(user, hashedPassword, providedPassword);
        }
    }

    private static async Task<HttpStatusCode> GetAsync(Deployment deployment, AuthenticationHeaderValue authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/vms") { Headers = { Authorization = authorization } };
        using var response = await deployment.Person.SendAsync(request);
        return response.StatusCode;
    }
}
