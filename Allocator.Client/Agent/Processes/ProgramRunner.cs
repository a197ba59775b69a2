namespace Allocator.Client.Agent.Processes;

/// <summary>The result of a program that has ended, or could not be started.</summary>
/// <param name="ExitCode">Null if the program could not be started, or did not end in time.</param>
/// <param name="IsMissing">True if there is no such program.</param>
/// <param name="Output">The end of its standard output.</param>
/// <param name="Errors">The end of its standard error.</param>
/// <param name="Failure">What went wrong, without anything that the program printed; null if it succeeded.</param>
internal sealed record ProgramResult(int? ExitCode, bool IsMissing, string Output, string Errors, string? Failure)
{
    private const int MaxSummary = 300;

    public bool Succeeded => Failure is null;

    /// <summary>Returns the beginning of the output, in one printable line.</summary>
    public string Summary()
    {
        var line = string.Join(' ', Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        line = new string([.. line.Where(c => !char.IsControl(c) && !char.IsSurrogate(c))]);
        return line.Length > MaxSummary ? line[..MaxSummary] + "…" : line;
    }
}

/// <summary>Runs programs for their output: without a shell, without input and for a limited time.</summary>
internal sealed class ProgramRunner(TimeProvider time)
{
    private static readonly TimeSpan SystemTimeout = TimeSpan.FromMinutes(5);

    /// <param name="command">The program and its arguments.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> stopped it, with every process it had started.</exception>
    public Task<ProgramResult> RunAsync(IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancel) =>
        RunAsync(command, timeout, RemoveSecrets, cancel);

    /// <summary>Runs one of the system's own programs, such as systemctl, with output in English.</summary>
    /// <inheritdoc cref="RunAsync(IReadOnlyList{string}, TimeSpan, CancellationToken)"/>
    public Task<ProgramResult> RunSystemAsync(IReadOnlyList<string> command, CancellationToken cancel) =>
        RunAsync(command, SystemTimeout, SetEnglish, cancel);

    private async Task<ProgramResult> RunAsync(
        IReadOnlyList<string> command, TimeSpan timeout, Action<IDictionary<string, string?>> environment, CancellationToken cancel)
    {
        using var program = new RunningProgram(command, time, environment);
        try
        {
            program.Start();
        }
        catch (ProgramStartException e)
        {
            return new ProgramResult(null, e.IsMissing, "", "", $"'{command[0]}' cannot be started: {e.Message}");
        }
        var failure = await program.WaitAsync("", timeout, cancel);
        if (program.ExitCode is null)
        {
            program.Kill();
            cancel.ThrowIfCancellationRequested();
        }
        return new ProgramResult(program.ExitCode, false, program.Output, program.Errors, failure is null ? null : $"'{command[0]}' {failure}");
    }

    /// <summary>The enrolment token is for the client only.</summary>
    private static void RemoveSecrets(IDictionary<string, string?> environment)
    {
        foreach (var name in environment.Keys.Where(name => name.Equals("ALLOCATOR_EnrolmentToken", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            environment.Remove(name);
        }
    }

    private static void SetEnglish(IDictionary<string, string?> environment)
    {
        RemoveSecrets(environment);
        environment["LC_ALL"] = "C";
        environment["SYSTEMD_PAGER"] = "";
    }
}
