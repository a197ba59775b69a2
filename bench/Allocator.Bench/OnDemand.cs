namespace Allocator.Bench;

/// <summary>Something that several scenarios share, started by the first that wants it.</summary>
internal sealed class OnDemand<T>(Func<Task<T>> start) : IAsyncDisposable
    where T : IAsyncDisposable
{
    private Task<T>? _started;

    public Task<T> GetAsync() => _started ??= start();

    public async ValueTask DisposeAsync()
    {
        if (_started is not null)
        {
            await (await _started).DisposeAsync();
        }
    }
}
