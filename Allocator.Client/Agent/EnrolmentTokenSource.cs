namespace Allocator.Client.Agent;

/// <summary>
/// Where the enrolment token comes from: the settings, a file or a program. File and program are asked anew each time
/// that the VM has to enrol, so that a token can be replaced, and removed once it is used. An exception says why there is
/// none, and never what there was.
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

    public static async ValueTask<string?> FromProgram(IReadOnlyList<string> command, Programs programs, CancellationToken cancel)
    {
        var answer = await programs.AskAsync(command, CommandTimeout, cancel);
        return Check(answer.Failure is { } failure ? throw new EnrolmentTokenException(failure) : answer.Printed, $"what '{command[0]}' printed");
    }

    /// <summary>It becomes a header of a request: anything else could not be sent.</summary>
    private static string Check(string text, string what) => text.Trim() switch
    {
        { Length: 0 } => throw new EnrolmentTokenException($"{what} is empty"),
        { Length: > MaxToken } => throw new EnrolmentTokenException($"{what} is not one token: it is longer than {MaxToken:N0} characters"),
        var token when token.All(c => c is > ' ' and <= '~') => token,
        _ => throw new EnrolmentTokenException($"{what} is not one token: it has spaces, line ends or other characters that no token has"),
    };
}

/// <summary>There is no enrolment token now.</summary>
internal sealed class EnrolmentTokenException(string message) : Exception(message);
