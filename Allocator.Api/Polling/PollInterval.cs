using System.Globalization;
using Allocator.Api.Fleet;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace Allocator.Api.Polling;

/// <summary>
/// The max-age that each VM is given. A person waits until the next free VM polls, so the fewer are free, the oftener
/// they are asked to; the others need not hurry.
/// </summary>
internal sealed class PollInterval(IOptions<PollOptions> options)
{
    /// <summary>A VM polls at random between once and twice its max-age, hence every 1.5 × max-age.</summary>
    private const double MeanIntervalInMaxAges = 1.5;

    // Made once: a poll shall not build strings.
    private readonly string[] _headers =
        [.. Enumerable.Range(0, 301).Select(seconds => string.Create(CultureInfo.InvariantCulture, $"private, max-age={seconds}"))];

    private readonly PollOptions _options = options.Value;
    private readonly int _usual = (int)options.Value.MaxAge.TotalSeconds;
    private readonly int _rush = (int)options.Value.RushMaxAge.TotalSeconds;

    /// <summary>The Cache-Control header for this VM now.</summary>
    public string CacheControl(PollState vm, FleetPool pool) => _headers[MaxAge(vm, pool)];

    /// <summary>
    /// Sets the header as the last thing before the response starts, so that neither it nor an Age comes out of the
    /// output cache: how soon to poll again is decided anew each time.
    /// </summary>
    public void SetCacheControlOnStarting(HttpResponse response, FleetVm vm, VmSnapshot view) => response.OnStarting(() =>
    {
        response.Headers.CacheControl = CacheControl(view.PollState, vm.Pool);
        response.Headers.Remove(HeaderNames.Age);
        return Task.CompletedTask;
    });

    /// <summary>In seconds.</summary>
    public int MaxAge(PollState vm, FleetPool pool) => vm switch
    {
        // The next poll is the receipt that the person's delivery waits for.
        { AwaitsReceipt: true } => 1,
        { IsFree: true } => FreeMaxAge(pool),
        // Once it has said that it is ready, the next person waits for its next poll.
        { IsUnready: true } => Share(pool.Unready, _options.PickupsPerSecond, 1),
        _ => _usual,
    };

    /// <summary>How long, on average, until as many different free VMs of this pool have polled.</summary>
    public TimeSpan UntilPolled(int vms, FleetPool pool) =>
        TimeSpan.FromSeconds(MeanIntervalInMaxAges * FreeMaxAge(pool) * vms / (pool.Free + 1));

    public bool InRush(FleetPool pool) => pool.InRush || pool.RequestsInLastMinute >= _options.RushRequestsPerMinute;

    private int FreeMaxAge(FleetPool pool)
    {
        var calm = Share(pool.Free, _options.PickupsPerSecond, 1);
        // In a rush everybody needs a VM of their own to poll, not just any: all of them hurry, as far as that is affordable.
        return InRush(pool) ? Math.Min(calm, Share(pool.Free, _options.RushPollsPerSecond, _rush)) : calm;
    }

    /// <summary>The max-age at which so many VMs together make so many polls per second.</summary>
    private int Share(int vms, int pollsPerSecond, int least) =>
        Math.Clamp((int)(vms / (MeanIntervalInMaxAges * pollsPerSecond)), Math.Min(least, _usual), _usual);
}
