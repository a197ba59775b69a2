using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Telemetry;

/// <summary>
/// The OpenTelemetry settings for the export of metrics, traces and logs, under their standard names. The OpenTelemetry
/// library reads them itself; they are checked here because it ignores wrong values.
/// </summary>
internal sealed class OtlpOptions
{
    [Setting("The collector that receives metrics, traces and logs. If it is empty, nothing is sent.",
        Accepts = "the address of a collector, such as http://collector:4317")]
    [ConfigurationKeyName("OTEL_EXPORTER_OTLP_ENDPOINT")]
    public string Endpoint { get; set; } = "";

    [Setting("The protocol of the collector.", Accepts = "'grpc' or 'http/protobuf'")]
    [ConfigurationKeyName("OTEL_EXPORTER_OTLP_PROTOCOL")]
    public string Protocol { get; set; } = "grpc";

    [Secret]
    [Setting("Headers that are sent with each message, such as the collector's API key.", Accepts = "`name=value,…`")]
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
