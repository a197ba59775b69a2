using System.Collections.Concurrent;
using System.Diagnostics;

namespace Allocator.Tests.Infrastructure;

/// <summary>A program that runs as a separate process until the end of the test.</summary>
internal sealed class Executable : IAsyncDisposable
{
    /// <summary>A process that does not exit fails its own test instead of blocking all others.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly ConcurrentQueue<string> _printed = new();

    private Executable(Process process)
    {
        _process = process;
        process.OutputDataReceived += Keep;
        process.OutputDataReceived += KeepPrinted;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Gets what the program wrote to standard output, without standard error.</summary>
    public string Printed => string.Join(Environment.NewLine, _printed);

    public string Output => string.Join(Environment.NewLine, _output);

    public bool HasExited => _process.HasExited;

    public int Id => _process.Id;

    /// <param name="name"><c>Allocator.Api</c> or <c>allocator</c>, or the full path of another program.</param>
    public static Executable Start(string name, string[] arguments, IReadOnlyDictionary<string, string?> environment, string? input = null)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, name), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        var process = Process.Start(start)!;
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program has closed its input.
        }
        return new Executable(process);
    }

    public async Task<int> WaitForExitAsync()
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(Deadline, TimeProvider.System);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{_process.StartInfo.FileName} did not end within {Deadline}. It wrote: {Output}");
        }
        return _process.ExitCode;
    }

    /// <summary>Fails a wait for a program that has already exited.</summary>
    public async Task ThrowIfExitedAsync()
    {
        if (HasExited)
        {
            throw new InvalidOperationException($"{_process.StartInfo.FileName} ended with {await WaitForExitAsync()}. It wrote: {Output}");
        }
    }

    /// <summary>Sends SIGTERM, as systemd does.</summary>
    public async Task<int> StopAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        await kill.WaitForExitAsync();
        return await WaitForExitAsync();
    }

    /// <summary>Kills it, like a power cut.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }
        _process.Dispose();
    }

    private void KeepPrinted(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is not null)
        {
            _printed.Enqueue(line.Data);
        }
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is not null)
        {
            _output.Enqueue(line.Data);
        }
    }
}
