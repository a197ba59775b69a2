using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Web;

/// <summary>Turns exceptions of endpoints into problems: unreadable requests, outages, and bugs.</summary>
internal sealed partial class ExceptionToProblem(IOptions<JsonOptions> json, ILogger<ExceptionToProblem> log) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancel)
    {
        if (Outage.IsTransient(exception))
        {
            Log.DatabaseAway(log, context.Request.Method, Route(context), exception.Message);
            await Problems.TryAgain().ExecuteAsync(context);
            return true;
        }
        var problem = exception is BadHttpRequestException bad ? Unreadable(context, bad) : InternalError(context, exception);
        await problem.ExecuteAsync(context);
        return true;
    }

    private IResult Unreadable(HttpContext context, BadHttpRequestException bad) => bad.InnerException switch
    {
        JsonException { InnerException: JsonException } syntax => Problems.Make(400, "not-json", "The body is not JSON",
            $"Invalid JSON at line {syntax.LineNumber + 1}, byte {syntax.BytePositionInLine + 1}."),
        JsonException { Path: { Length: > 2 } path } => Problems.Invalid(path[2..], Expected(context, path)),
        _ when BadParameter().Match(bad.Message) is { Success: true } match =>
            BadParameterProblem(context, JsonNamingPolicy.CamelCase.ConvertName(match.Groups["name"].Value)),
        _ when BodyType(context) is not null => Problems.Make(bad.StatusCode, "not-json", "The body is not a JSON object", "Send one JSON object."),
        _ => Problems.Make(
            bad.StatusCode, "unreadable-request", "The request cannot be read", "See /openapi/v1.json for the parameters of this call."),
    };

    private IResult InternalError(HttpContext context, Exception exception)
    {
        Log.Bug(log, exception, context.Request.Method, Route(context));
        return Problems.Make(500, "internal-error", "Internal error",
            $"The log has the details under trace {context.TraceIdentifier}.");
    }

    /// <summary>Describes the type that the endpoint's body has at this path.</summary>
    private string Expected(HttpContext context, string path)
    {
        var body = BodyType(context);
        var type = body is null ? null : json.Value.SerializerOptions.GetTypeInfo(body);
        foreach (var name in path.Split('.', '[')[1..])
        {
            var property = type?.Properties.FirstOrDefault(property => property.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
            type = property is not null ? json.Value.SerializerOptions.GetTypeInfo(property.PropertyType)
                : type is { Kind: JsonTypeInfoKind.Dictionary, ElementType: { } element } ? json.Value.SerializerOptions.GetTypeInfo(element)
                : null;
        }
        return InWords(type is null ? null : Nullable.GetUnderlyingType(type.Type) ?? type.Type, type?.Kind);
    }

    private static string InWords(Type? type, JsonTypeInfoKind? kind) => type switch
    {
        { IsEnum: true } => "one of " + string.Join(", ", Enum.GetNames(type).Select(JsonNamingPolicy.CamelCase.ConvertName)),
        not null when type == typeof(string) => "a string",
        not null when type == typeof(Guid) => "an id",
        not null when type == typeof(Hostname) => Hostname.Rule,
        not null when type == typeof(bool) => "true or false",
        not null when type == typeof(double) => "a number",
        not null when type == typeof(DateTime) => Instant.Rule,
        not null when type == typeof(TimeSpan) => "a time (hh:mm:ss)",
        { IsPrimitive: true } => "a whole number",
        _ => kind switch
        {
            JsonTypeInfoKind.Dictionary or JsonTypeInfoKind.Object => "an object",
            JsonTypeInfoKind.Enumerable => "a list",
            _ => "of another type; see /openapi/v1.json",
        },
    };

    /// <summary>A path with a malformed host name is one of a VM that cannot exist.</summary>
    private static IResult BadParameterProblem(HttpContext context, string name)
    {
        var type = TypeOfParameter(context, name);
        return type == typeof(Hostname) && context.Features.Get<IExceptionHandlerFeature>()?.RouteValues?[name] is string hostname
            ? Problems.UnknownVm(hostname)
            : Problems.Invalid(name, InWords(type, null));
    }

    private static Type? BodyType(HttpContext context) => Endpoint(context)?.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;

    private static Type? TypeOfParameter(HttpContext context, string name)
    {
        var parameters = Endpoint(context)?.Metadata.GetMetadata<MethodInfo>()?.GetParameters() ?? [];
        var type = parameters.FirstOrDefault(parameter => parameter.Name == name)?.ParameterType
            ?? parameters.Where(parameter => parameter.IsDefined(typeof(AsParametersAttribute)))
                .Select(parameter => parameter.ParameterType.GetProperty(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase))
                .FirstOrDefault(property => property is not null)?.PropertyType;
        type = type is null ? null : Nullable.GetUnderlyingType(type) ?? type;
        return type is { IsGenericType: true } && type.GetGenericTypeDefinition() == typeof(EnumQuery<>) ? type.GenericTypeArguments[0] : type;
    }

    /// <summary>Matches the framework's message, which alone names the parameter: <c>Failed to bind parameter "int limit" from "ten".</c></summary>
    [GeneratedRegex("""parameter "\S+ (?<name>\w+)" from "[^"]*"\.""")]
    private static partial Regex BadParameter();

    private static Endpoint? Endpoint(HttpContext context) => context.Features.Get<IExceptionHandlerFeature>()?.Endpoint;

    /// <summary>Returns the pattern and not the path, because an assignment's id is a secret of its person.</summary>
    private static string Route(HttpContext context) => (Endpoint(context) as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)";

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} {Route} was answered with 503: {Error}")]
        public static partial void DatabaseAway(ILogger log, string method, string route, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Route} failed")]
        public static partial void Bug(ILogger log, Exception error, string method, string route);
    }
}
