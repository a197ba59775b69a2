using System.Diagnostics;
using Allocator.Api.Fleet;
using Allocator.Api.Polls;
using Allocator.Api.Security;
using Allocator.Api.Vms;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Allocator.Bench;

internal static class Micro
{
    public static void Run(int vms)
    {
        var fleet = new VmFleet();
        var picture = new VmFleet.Picture();
        for (var i = 0; i < vms; i++)
        {
            picture.Apply(new VmView(FleetVms.Hostname(i), "default", 1, 1, TokenHash.Of(FleetVms.Token(i)), VmState.Free, true, false, null, false));
        }
        fleet.Replace(picture);
        var notes = new PollNotes(null!, Options.Create(new LivenessOptions()), TimeProvider.System, NullLogger<PollNotes>.Instance);
        var polls = new SteadyPolls(fleet, notes, new PollInterval(Options.Create(new PollOptions())));
        var random = new Random(1);
        var request = new HttpRequestFeature { Method = "GET" };
        var features = new FeatureCollection();
        features.Set<IHttpRequestFeature>(request);
        features.Set<IHttpResponseFeature>(new HttpResponseFeature());
        var paths = Enumerable.Range(0, vms).Select(i => System.Text.Encoding.ASCII.GetBytes("/assignment/" + FleetVms.Hostname(i) + "Bearer " + FleetVms.Token(i))).ToArray();
        const int Polls = 200_000;
        var best = new double[2];
        for (var round = 0; round < 40; round++)
        {
            for (var what = 0; what < 2; what++)
            {
                var bytes = GC.GetAllocatedBytesForCurrentThread();
                var started = Stopwatch.GetTimestamp();
                for (var k = 0; k < Polls; k++)
                {
                    var text = paths[random.Next(vms)];
                    var at = text.AsSpan().IndexOf((byte)'B');
                    request.Path = System.Text.Encoding.ASCII.GetString(text, 0, at);
                    request.Headers.IfNoneMatch = "\"g1\"";
                    request.Headers.Authorization = System.Text.Encoding.ASCII.GetString(text, at, text.Length - at);
                    if (what == 1 && !polls.TryAnswer(features))
                    {
                        throw new InvalidOperationException("not steady");
                    }
                }
                var ns = Stopwatch.GetElapsedTime(started).TotalNanoseconds / Polls;
                best[what] = round == 0 || ns < best[what] ? ns : best[what];
            }
        }
        Console.WriteLine($"{vms}: {best[1] - best[0]:0} ns of {best[1]:0}");
    }
}
