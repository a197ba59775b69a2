using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Allocator.Client.Agent;

/// <summary>What came of a program that was run for its answer.</summary>
/// <param name="ExitCode">Null: it could not be started, or did not end in time.</param>
/// <param name="IsMissing">There is no such program.</param>
/// <param name="Printed">The beginning of its standard output.</param>
/// <param name="Failure">What went wrong, without anything that it printed; null: it ended well.</param>
internal sealed record ProgramAnswer(int? ExitCode, bool IsMissing, string Printed, string? Failure)
{
    private const int MaxWords = 300;

    /// <summary>What it said, in one line for people.</summary>
    public string Words()
    {
        var line = string.Join(' ', Printed.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        line = new string([.. line.Where(c => !char.IsControl(c) && !char.IsSurrogate(c))]);
        return line.Length > MaxWords ? line[..MaxWords] + "…" : line;
    }
}

/// <summary>Runs programs for what they answer: without a shell, without input, and not for long.</summary>
internal sealed class Programs(TimeProvider time)
{
    private const int MaxOutput = 16 * 1024;

    /// <param name="command">The program and its arguments.</param>
    /// <exception cref="OperationCanceledException">It was stopped by <paramref name="cancel"/>, with all it had started.</exception>
    public async Task<ProgramAnswer> AskAsync(IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancel)
    {
        using var process = new Process();
        process.StartInfo = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The enrolment token is the client's own business.
        foreach (var secret in process.StartInfo.Environment.Keys.Where(key => key.Equals("ALLOCATOR_EnrolmentToken", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            process.StartInfo.Environment.Remove(secret);
        }
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            return new ProgramAnswer(null, e is Win32Exception { NativeErrorCode: 2 }, "", $"'{command[0]}' cannot be started: {e.Message}");
        }
        using var late = new CancellationTokenSource(timeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        var printed = new StringBuilder();
        try
        {
            process.StandardInput.Close();
            // Both at once, so that neither pipe fills up; what goes to standard error is nobody's.
            await Task.WhenAll(
                ReadAsync(process.StandardOutput, printed, stop.Token), ReadAsync(process.StandardError, null, stop.Token), process.WaitForExitAsync(stop.Token));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancel.ThrowIfCancellationRequested();
            return new ProgramAnswer(null, false, "", $"'{command[0]}' did not end within {timeout} and was stopped");
        }
        return new ProgramAnswer(
            process.ExitCode, false, printed.ToString(), process.ExitCode == 0 ? null : $"'{command[0]}' ended with exit code {process.ExitCode}");
    }

    private static async Task ReadAsync(StreamReader reader, StringBuilder? kept, CancellationToken cancel)
    {
        var buffer = new char[4096];
        int read;
        while ((read = await reader.ReadAsync(buffer, cancel)) > 0)
        {
            kept?.Append(buffer, 0, Math.Min(read, MaxOutput - kept.Length));
        }
    }
}
