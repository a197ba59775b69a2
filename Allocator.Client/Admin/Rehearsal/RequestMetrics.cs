using System.Net;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>Counts and times every request of the simulated VMs and people.</summary>
internal sealed class RequestMetrics(TimeProvider time, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    /// <summary>The shortest duration of a request that timed out. One that is cancelled sooner was cancelled by the end of the rehearsal.</summary>
    private static readonly TimeSpan MinTimeout = TimeSpan.FromSeconds(9);

    private readonly Lock _lock = new();
    private readonly long _start = time.GetTimestamp();
    private readonly Dictionary<string, int> _failures = [];
    private readonly List<int> _perSecond = [];
    private readonly List<double> _pollSeconds = [];
    private readonly List<double> _pageSeconds = [];
    private int _notModified;

    public int Requests { get { lock (_lock) { return _perSecond.Sum(); } } }

    /// <summary>The largest number of requests in one second.</summary>
    public int Peak { get { lock (_lock) { return _perSecond.DefaultIfEmpty().Max(); } } }

    public double NotModifiedShare { get { lock (_lock) { return _pollSeconds.Count == 0 ? 0 : (double)_notModified / _pollSeconds.Count; } } }

    /// <summary>The duration of each answered poll.</summary>
    public IReadOnlyList<double> PollSeconds { get { lock (_lock) { return [.. _pollSeconds]; } } }

    /// <summary>The duration of each answered request of a person.</summary>
    public IReadOnlyList<double> PageSeconds { get { lock (_lock) { return [.. _pageSeconds]; } } }

    /// <summary>The number of failed requests by kind and error, such as <c>poll: 503</c>.</summary>
    public IReadOnlyDictionary<string, int> Failures
    {
        get { lock (_lock) { return _failures.OrderBy(failure => failure.Key, StringComparer.Ordinal).ToDictionary(); } }
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var kind = Kind(request);
        var started = time.GetTimestamp();
        Count(started);
        try
        {
            var response = await base.SendAsync(request, cancellationToken);
            Record(kind, response.StatusCode, time.GetElapsedTime(started));
            return response;
        }
        catch (HttpRequestException e)
        {
            CountFailure($"{kind}: {e.HttpRequestError}");
            throw;
        }
        catch (OperationCanceledException) when (time.GetElapsedTime(started) > MinTimeout)
        {
            CountFailure($"{kind}: no answer in time");
            throw;
        }
    }

    private static string Kind(HttpRequestMessage request) => (request.Method.Method, request.RequestUri!.AbsolutePath.Split('/')) switch
    {
        ("POST", [.., "vms"]) => "enrol",
        ("POST", _) => "ask",
        ("PUT", [.., "report"]) => "report",
        ("PUT", _) => "outcome",
        ("DELETE", _) => "give back",
        (_, [.., "assignment", _]) => "poll",
        _ => "page",
    };

    private void Count(long at)
    {
        var second = (int)time.GetElapsedTime(_start, at).TotalSeconds;
        lock (_lock)
        {
            while (_perSecond.Count <= second)
            {
                _perSecond.Add(0);
            }
            _perSecond[second]++;
        }
    }

    private void Record(string kind, HttpStatusCode status, TimeSpan took)
    {
        lock (_lock)
        {
            if (kind == "poll" && status is HttpStatusCode.OK or HttpStatusCode.NotModified)
            {
                _pollSeconds.Add(took.TotalSeconds);
                _notModified += status == HttpStatusCode.NotModified ? 1 : 0;
            }
            else if (kind is "ask" or "page" or "give back")
            {
                _pageSeconds.Add(took.TotalSeconds);
            }
        }
        // A 409 to an outcome is no failure: the generation ended while the VM was still working on it.
        if ((int)status is not (>= 200 and < 300 or 304) && (kind, status) is not ("outcome", HttpStatusCode.Conflict))
        {
            CountFailure($"{kind}: {(int)status}");
        }
    }

    private void CountFailure(string failure)
    {
        lock (_lock)
        {
            _failures[failure] = _failures.GetValueOrDefault(failure) + 1;
        }
    }
}
