using System.Globalization;
using Allocator.Api.Fleet;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace Allocator.Api.Polling;

/// <summary>
/// Decides the max-age of each answer. A person waits until the next free VM polls, so the fewer VMs are free, the more often
/// they have to poll; the others can poll at the default interval.
/// </summary>
internal sealed class PollInterval(IOptions<PollOptions> options)
{
    /// <summary>A VM polls at random between once and twice its max-age, hence every 1.5 × max-age.</summary>
    private const double MeanIntervalInMaxAges = 1.5;

    // The headers are created once, so that a poll does not build strings.
    private readonly string[] _headers =
        [.. Enumerable.Range(0, 301).Select(seconds => string.Create(CultureInfo.InvariantCulture, $"private, max-age={seconds}"))];

    private readonly PollOptions _options = options.Value;
    private readonly int _maxAge = (int)options.Value.MaxAge.TotalSeconds;
    private readonly int _rushMaxAge = (int)options.Value.RushMaxAge.TotalSeconds;

    /// <summary>Returns the Cache-Control header for this VM now.</summary>
    public string CacheControl(PollState vm, FleetPool pool) => _headers[MaxAge(vm, pool)];

    /// <summary>
    /// Sets the header immediately before the response starts, so that neither it nor an Age comes from the output cache: the
    /// interval is decided again for each answer.
    /// </summary>
    public void SetCacheControlOnStarting(HttpResponse response, FleetVm vm, VmSnapshot view) => response.OnStarting(() =>
    {
        response.Headers.CacheControl = CacheControl(view.PollState, vm.Pool);
        response.Headers.Remove(HeaderNames.Age);
        return Task.CompletedTask;
    });

    /// <summary>Returns the max-age in seconds.</summary>
    public int MaxAge(PollState vm, FleetPool pool) => vm switch
    {
        // The next poll is the receipt for which the delivery waits.
        { AwaitsReceipt: true } => 1,
        { IsFree: true } => FreeMaxAge(pool),
        // Once it reports that it is ready, the next person waits for its next poll.
        { IsUnready: true } => Share(pool.Unready, _options.PickupsPerSecond, 1),
        _ => _maxAge,
    };

    /// <summary>Returns how long it takes on average until this many different free VMs of the pool have polled.</summary>
    public TimeSpan UntilPolled(int vms, FleetPool pool) =>
        TimeSpan.FromSeconds(MeanIntervalInMaxAges * FreeMaxAge(pool) * vms / (pool.Free + 1));

    /// <summary>Returns whether the pool is in rush, by its settings or because many people asked in the last minute.</summary>
    public bool InRush(FleetPool pool) => pool.InRush || pool.RequestsInLastMinute >= _options.RushRequestsPerMinute;

    private int FreeMaxAge(FleetPool pool)
    {
        var withoutRush = Share(pool.Free, _options.PickupsPerSecond, 1);
        // In a rush each person needs a different VM to poll, so all of them poll as often as the limit of polls allows.
        return InRush(pool) ? Math.Min(withoutRush, Share(pool.Free, _options.RushPollsPerSecond, _rushMaxAge)) : withoutRush;
    }

    /// <summary>Returns the max-age at which this many VMs together make this many polls per second.</summary>
    private int Share(int vms, int pollsPerSecond, int min) =>
        Math.Clamp((int)(vms / (MeanIntervalInMaxAges * pollsPerSecond)), Math.Min(min, _maxAge), _maxAge);
}
