using Allocator.Client.Agent.Processes;

namespace Allocator.Client.Agent;

/// <summary>
/// Reads the enrolment token from a file or a program each time the VM enrols, so that the token can be replaced, and
/// removed after use. The message of an exception never contains the text that was read.
/// </summary>
internal static class EnrolmentTokenSource
{
    private const int MaxToken = 1_000;
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(30);

    public static ValueTask<string?> FromFile(string path, CancellationToken cancel)
    {
        try
        {
            cancel.ThrowIfCancellationRequested();
            return new(Check(File.ReadAllText(path), path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new EnrolmentTokenException($"there is no file {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnrolmentTokenException($"{path} cannot be read: {e.Message}");
        }
    }

    public static async ValueTask<string?> FromProgram(IReadOnlyList<string> command, ProgramRunner programs, CancellationToken cancel)
    {
        var result = await programs.RunAsync(command, CommandTimeout, cancel);
        return Check(result.Failure is { } failure ? throw new EnrolmentTokenException(failure) : result.Output, $"the output of '{command[0]}'");
    }

    /// <summary>The token becomes a request header, so only printable ASCII can be sent.</summary>
    private static string Check(string text, string source) => text.Trim() switch
    {
        { Length: 0 } => throw new EnrolmentTokenException($"{source} is empty"),
        { Length: > MaxToken } => throw new EnrolmentTokenException($"{source} is not one token: it is longer than {MaxToken:N0} characters"),
        var token when token.All(c => c is > ' ' and <= '~') => token,
        _ => throw new EnrolmentTokenException($"{source} is not one token: it has spaces, line ends or other characters that no token has"),
    };
}

/// <summary>The enrolment token is not available; the message says why.</summary>
internal sealed class EnrolmentTokenException(string message) : Exception(message);
