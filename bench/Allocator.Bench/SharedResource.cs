namespace Allocator.Bench;

/// <summary>A resource that several scenarios share; the first one that needs it starts it.</summary>
internal sealed class SharedResource<T>(Func<Task<T>> start) : IAsyncDisposable
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
