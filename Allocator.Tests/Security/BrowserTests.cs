using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Security;

public sealed class BrowserTests(PostgresServer server)
{
    /// <summary>Header, its value, and whether the change is refused. <c>{self}</c> is the replica's own authority.</summary>
    public static readonly TheoryData<string, string, bool> Callers = new()
    {
        { "Sec-Fetch-Site", "cross-site", true },
        { "Sec-Fetch-Site", "same-site", true },
        { "Sec-Fetch-Site", "same-origin", false },
        { "Sec-Fetch-Site", "none", false },
        { "Origin", "https://evil.example", true },
        { "Origin", "null", true },
        { "Origin", "http://127.0.0.1:1", true },
        { "Origin", "http://{self}", false },
        { "Origin", "https://{self}", false },
        { "User-Agent", "curl/8", false },
    };

    [Fact]
    public async Task Change_from_a_page_of_another_site_is_refused_whoever_is_signed_in()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = await deployment.EnrolAsync("vm-1");
        var self = deployment.Replica.Address.Authority;
        (HttpMethod Method, string Path, object? Body)[] changes =
        [
            (HttpMethod.Post, "/vms/vm-1/hold", null),
            (HttpMethod.Post, "/vms/vm-1/unhold", null),
            (HttpMethod.Put, "/pools/other", new PoolSettings()),
            (HttpMethod.Delete, "/pools/other", null),
            (HttpMethod.Post, "/assignments", new AssignmentRequest("ada@example.org")),
        ];
        foreach (var (header, value, refused) in Callers.Select(row => row.Data))
        {
            foreach (var (method, path, body) in changes)
            {
                using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
                request.Headers.Add(header, value.Replace("{self}", self, StringComparison.Ordinal));
                using var response = await deployment.Admin.SendAsync(request);
                var answer = await response.Content.ReadAsStringAsync();
                if (refused)
                {
                    Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
                    Assert.Equal("urn:allocator:problem:cross-site", JsonNode.Parse(answer)!["type"]!.GetValue<string>());
                }
                else
                {
                    Assert.True(response.IsSuccessStatusCode, $"{header}: {value}, {method} {path}: {(int)response.StatusCode} {answer}");
                }
            }
        }
        // A link on another site may be followed: it changes nothing.
        using var look = new HttpRequestMessage(HttpMethod.Get, "/vms/vm-1") { Headers = { { "Sec-Fetch-Site", "cross-site" } } };
        using var seen = await deployment.Admin.SendAsync(look);
        Assert.Equal(HttpStatusCode.OK, seen.StatusCode);
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from assignments"));
        Assert.Equal("vm-1", vm.Hostname);
    }

    [Theory]
    [InlineData("/health/live")]
    [InlineData("/pools")]
    [InlineData("/nothing-here")]
    [InlineData("/assignments?limit=many")]
    public async Task Every_reply_has_the_security_headers(string path)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var response = await deployment.Admin.GetAsync(path);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", response.Headers.GetValues("Referrer-Policy").Single());
        Assert.Equal("default-src 'none'; frame-ancestors 'none'", response.Headers.GetValues("Content-Security-Policy").Single());
    }
}
