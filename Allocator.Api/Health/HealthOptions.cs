using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Health;

/// <summary>The section <c>Health</c> of the configuration.</summary>
internal sealed class HealthOptions
{
    public const string Section = "Health";

    /// <summary>
    /// For how long a replica that was asked to stop goes on serving, no longer ready: longer than a load balancer takes
    /// to notice; 0 – 5 min. What is then under way still has the host's shutdown timeout.
    /// </summary>
    public TimeSpan Drain { get; set; }

    internal sealed class Validator : IValidateOptions<HealthOptions>
    {
        public ValidateOptionsResult Validate(string? name, HealthOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.RequireBetween(nameof(Drain), options.Drain, TimeSpan.Zero, TimeSpan.FromMinutes(5));
            return problems.Result;
        }
    }
}
