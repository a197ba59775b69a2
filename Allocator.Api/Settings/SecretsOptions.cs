using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

/// <summary>The section <c>Secrets</c> of the configuration.</summary>
internal sealed class SecretsOptions
{
    public const string Section = "Secrets";

    private const string DefaultFolder = "/run/secrets";

    [Setting("The folder of the secret files; empty: none are read. Only the default folder may be missing.", Accepts = "an existing folder")]
    public string Folder { get; set; } = DefaultFolder;

    internal sealed class Validator : IValidateOptions<SecretsOptions>
    {
        public ValidateOptionsResult Validate(string? name, SecretsOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(
                options.Folder is "" or DefaultFolder || Directory.Exists(options.Folder),
                nameof(Folder), options.Folder, "an existing folder, or empty");
            return problems.Result;
        }
    }
}
