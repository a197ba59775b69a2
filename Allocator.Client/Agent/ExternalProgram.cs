using System.ComponentModel;
using System.Diagnostics;

namespace Allocator.Client.Agent;

/// <summary>What a program of the machine's said.</summary>
/// <param name="Output">Of standard output and standard error.</param>
internal sealed record ProgramResult(int Code, string Output)
{
    public bool Succeeded => Code == 0;
}

/// <summary>The machine's own programs, such as systemctl.</summary>
internal static class ExternalProgram
{
    /// <returns>Null where there is no such program.</returns>
    public static async Task<ProgramResult?> RunAsync(string name, IEnumerable<string> arguments, CancellationToken cancel)
    {
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(name, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { ["LC_ALL"] = "C", ["SYSTEMD_PAGER"] = "" },
            },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception)
        {
            return null;
        }
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancel);
        var errors = process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return new ProgramResult(process.ExitCode, (await output + await errors).Trim());
    }
}
