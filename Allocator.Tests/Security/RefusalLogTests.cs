using System.Net.Http.Headers;
using Allocator.Api.Security;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Allocator.Tests.Security;

public sealed class RefusalLogTests(PostgresServer server)
{
    [Fact]
    public void Refusals_of_a_minute_are_one_line_with_their_number()
    {
        var (time, log) = (new FakeTimeProvider(), new Lines());
        using var refusals = new RefusalLog(time, log);
        for (var i = 0; i < 2_500; i++)
        {
            refusals.Add();
        }
        Assert.Empty(log);
        time.Advance(RefusalLog.Interval);
        Assert.Equal("Refused 2500 requests with a missing or wrong token within a minute", Assert.Single(log));

        time.Advance(10 * RefusalLog.Interval);
        refusals.Add();
        time.Advance(RefusalLog.Interval);
        Assert.Equal(2, log.Count);
        Assert.StartsWith("Refused 1 ", log[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refused_machine_causes_no_line_of_its_own()
    {
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync());
        foreach (var (method, path) in new[] { (HttpMethod.Get, "/assignment/vm-1"), (HttpMethod.Post, "/vms") })
        {
            for (var i = 0; i < 20; i++)
            {
                using var request = new HttpRequestMessage(method, path);
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "junk");
                using var response = await api.Http.SendAsync(request);
                Assert.Equal(401, (int)response.StatusCode);
            }
        }
        Assert.DoesNotContain("challenged", api.Output, StringComparison.Ordinal);
    }

    private sealed class Lines : List<string>, ILogger<RefusalLog>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Add(formatter(state, exception));
    }
}
