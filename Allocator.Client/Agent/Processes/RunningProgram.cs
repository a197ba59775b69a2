using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Allocator.Client.Agent.Processes;

/// <summary>A program that cannot be started; the message says why.</summary>
internal sealed class ProgramStartException(string message, bool isMissing) : Exception(message)
{
    public bool IsMissing { get; } = isMissing;
}

/// <summary>
/// Starts a program without a shell, writes its input and keeps the end of its output. The caller ends the processes of a
/// program that failed, since only the caller knows which of them may stay.
/// </summary>
internal sealed class RunningProgram : IDisposable
{
    private const int NoSuchFile = 2;
    private const int NotExecutable = 8;
    private const int NotPermitted = 13;

    /// <summary>How long a child may keep the output open after the program itself has ended.</summary>
    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(2);

    private readonly Process _process = new();
    private readonly TimeProvider _time;
    private OutputTail? _output;
    private OutputTail? _errors;

    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">Changes the environment that the program gets.</param>
    public RunningProgram(IReadOnlyList<string> command, TimeProvider time, Action<IDictionary<string, string?>> environment)
    {
        _time = time;
        _process.StartInfo = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        environment(_process.StartInfo.Environment);
    }

    /// <summary>Gets the exit code; null until the program has ended.</summary>
    public int? ExitCode { get; private set; }

    public string Output => _output?.Text ?? "";

    public string Errors => _errors?.Text ?? "";

    /// <param name="start">Starts the process, where the caller keeps track of its children.</param>
    /// <exception cref="ProgramStartException">The program cannot be started.</exception>
    public void Start(Action<Process>? start = null)
    {
        try
        {
            if (start is null)
            {
                _process.Start();
            }
            else
            {
                start(_process);
            }
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            var code = (e as Win32Exception)?.NativeErrorCode;
            throw new ProgramStartException(Explain(_process.StartInfo.FileName, code) ?? e.Message, code == NoSuchFile);
        }
        (_output, _errors) = (new OutputTail(_process.StandardOutput), new OutputTail(_process.StandardError));
    }

    /// <summary>Writes the input and waits until the program has ended; it may still be running if this returns a failure.</summary>
    /// <returns>Null if the program succeeded, or else what happened.</returns>
    public async Task<string?> WaitAsync(string input, TimeSpan timeout, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(timeout, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        try
        {
            await WriteAsync(input, stop.Token);
            await _process.WaitForExitAsync(stop.Token);
        }
        catch (OperationCanceledException)
        {
            return $"did not end within {timeout} and was stopped";
        }
        await DrainAsync();
        ExitCode = _process.ExitCode;
        return ExitCode == 0 ? null : $"ended with exit code {ExitCode}";
    }

    /// <summary>Waits for the end of the output, for a limited time: a child may hold it open.</summary>
    public Task DrainAsync() => Task.WhenAll(_output!.WaitAsync(OutputGrace, _time), _errors!.WaitAsync(OutputGrace, _time));

    /// <summary>Kills the program and its descendants.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    public void Dispose() => _process.Dispose();

    private async Task WriteAsync(string input, CancellationToken cancel)
    {
        try
        {
            await _process.StandardInput.WriteAsync(input.AsMemory(), cancel);
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program does not read its input.
        }
    }

    private static string? Explain(string program, int? error) => error switch
    {
        _ when Directory.Exists(program) => "it is a folder",
        NoSuchFile when File.Exists(program) => "the interpreter that its first line names does not exist",
        NoSuchFile => "there is no such program",
        NotPermitted => "the client's user may not execute it (chmod +x), or not enter its folder",
        NotExecutable => "it is neither a program for this machine nor a script whose first line names its interpreter (#!/bin/sh)",
        _ => null,
    };
}
