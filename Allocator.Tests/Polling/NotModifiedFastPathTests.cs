using Allocator.Api.Polling;
using Allocator.Tests.Infrastructure;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Allocator.Tests.Polling;

public sealed class NotModifiedFastPathTests(PostgresServer server)
{
    private static readonly Dictionary<string,
        string> NothingIsDue = new() { ["Liveness:Resolution"] = "00:10:00", ["Liveness:LostAfter"] = "01:00:00" };

    [Fact]
    public async Task Steady_poll_allocates_nothing_of_its_own()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 1, NothingIsDue);
        var vm = await deployment.EnrolAsync("vm-1");
        var polls = deployment.Replica.Services.GetRequiredService<NotModifiedFastPath>();
        var request = Request(vm.Hostname, vm.Token, "\"g1\"");
        // The first poll proves the token and records the liveness.
        await Wait.UntilAsync(() => polls.TryAnswer(request), "the fleet knows the VM");

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            polls.TryAnswer(request);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public async Task Fast_path_answers_only_a_get_with_the_right_token_and_the_current_tag()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 1, NothingIsDue);
        var vm = await deployment.EnrolAsync("vm-1");
        var other = await deployment.EnrolAsync("vm-2");
        var polls = deployment.Replica.Services.GetRequiredService<NotModifiedFastPath>();
        // Both tokens are proved, so that no request below is refused only because it is the first.
        await Wait.UntilAsync(() => polls.TryAnswer(Request(vm.Hostname, vm.Token, "\"g1\"")), "the fleet knows vm-1");
        await Wait.UntilAsync(() => polls.TryAnswer(Request(other.Hostname, other.Token, "\"g1\"")), "the fleet knows vm-2");

        var wrong = vm.Token[..^2] + (vm.Token[^2] == 'A' ? 'B' : 'A') + vm.Token[^1];
        var nobodys = "vm-1." + new string('A', 43);
        IFeatureCollection[] requests =
        [
            Request(vm.Hostname, wrong, "\"g1\""),
            Request(vm.Hostname, nobodys, "\"g1\""),
            Request(vm.Hostname, other.Token, "\"g1\""),
            Request(vm.Hostname, "vm-2." + vm.Token["vm-1.".Length..], "\"g1\""),
            Request(other.Hostname, "vm-2." + vm.Token["vm-1.".Length..], "\"g1\""),
            Request(vm.Hostname, vm.Token["vm-1.".Length..], "\"g1\""),
            Request(vm.Hostname, "", "\"g1\""),
            Request("vm-3", vm.Token, "\"g1\""),
            Request(vm.Hostname + "/outcome", vm.Token, "\"g1\""),
            Request(vm.Hostname, vm.Token, "\"g2\""),
            Request(vm.Hostname, vm.Token, "\"g01\""),
            Request(vm.Hostname, vm.Token, "W/\"g1\""),
            Request(vm.Hostname, vm.Token, "\"g1\", \"g2\""),
            Request(vm.Hostname, vm.Token, "*"),
            Request(vm.Hostname, vm.Token, "\"g1\"", "PUT"),
        ];
        foreach (var request in requests)
        {
            Assert.False(polls.TryAnswer(request));
            var response = request.GetRequiredFeature<IHttpResponseFeature>();
            Assert.Equal((200, 0), (response.StatusCode, response.Headers.Count));
        }
    }

    [Fact]
    public async Task Replaced_token_is_no_longer_accepted()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 1, NothingIsDue);
        var vm = await deployment.EnrolAsync("vm-1");
        var polls = deployment.Replica.Services.GetRequiredService<NotModifiedFastPath>();
        await Wait.UntilAsync(() => polls.TryAnswer(Request(vm.Hostname, vm.Token, "\"g1\"")), "the fleet knows the VM");

        var again = await deployment.EnrolAsync("vm-1");
        Assert.NotEqual(vm.Token, again.Token);
        await Wait.UntilAsync(() => polls.TryAnswer(Request(vm.Hostname, again.Token, "\"g1\"")), "the fresh token is known");
        Assert.False(polls.TryAnswer(Request(vm.Hostname, vm.Token, "\"g1\"")));
    }

    private static FeatureCollection Request(string hostname, string token, string ifNoneMatch, string method = "GET")
    {
        var request = new HttpRequestFeature { Method = method, Path = "/assignment/" + hostname };
        request.Headers.IfNoneMatch = ifNoneMatch;
        request.Headers.Authorization = "Bearer " + token;
        var features = new FeatureCollection();
        features.Set<IHttpRequestFeature>(request);
        features.Set<IHttpResponseFeature>(new HttpResponseFeature());
        return features;
    }
}
