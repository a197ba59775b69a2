using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Telemetry;

/// <summary>
/// Where metrics, traces and logs are sent, by the names that OpenTelemetry gives its settings everywhere. Its library
/// reads them itself; a wrong one it would pass over in silence.
/// </summary>
internal sealed class OtlpOptions
{
    /// <summary>The collector's address. Empty: nothing is sent.</summary>
    [ConfigurationKeyName("OTEL_EXPORTER_OTLP_ENDPOINT")]
    public string Endpoint { get; set; } = "";

    /// <summary><c>grpc</c> or <c>http/protobuf</c>.</summary>
    [ConfigurationKeyName("OTEL_EXPORTER_OTLP_PROTOCOL")]
    public string Protocol { get; set; } = "grpc";

    /// <summary>Sent along with each message, such as <c>api-key=…</c>.</summary>
    [Secret]
    [ConfigurationKeyName("OTEL_EXPORTER_OTLP_HEADERS")]
    public string Headers { get; set; } = "";

    internal sealed class Validator : IValidateOptions<OtlpOptions>
    {
        public ValidateOptionsResult Validate(string? name, OtlpOptions options)
        {
            var problems = new SettingProblems("");
            problems.Require(
                options.Endpoint.Length == 0 || (Uri.TryCreate(options.Endpoint, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"),
                "OTEL_EXPORTER_OTLP_ENDPOINT", options.Endpoint, "the address of a collector, such as http://collector:4317");
            problems.Require(
                options.Protocol is "grpc" or "http/protobuf",
                "OTEL_EXPORTER_OTLP_PROTOCOL", options.Protocol, "'grpc' or 'http/protobuf'");
            return problems.Result;
        }
    }
}
