using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Web;

/// <summary>Turns what endpoints throw into problems: unreadable requests, outages, and bugs.</summary>
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
            $"It stops being JSON in line {syntax.LineNumber + 1}, at byte {syntax.BytePositionInLine + 1}."),
        JsonException { Path: { Length: > 2 } path } => Problems.Invalid(path[2..], Expected(context, path)),
        _ when BadParameter().Match(bad.Message) is { Success: true } match && HostnameInPath(context, match.Groups["name"].Value) is { } hostname =>
            Problems.UnknownVm(hostname),
        _ when BadParameter().Match(bad.Message) is { Success: true } match => Problems.Invalid(
            match.Groups["name"].Value, InWords(TypeOfParameter(context, match.Groups["name"].Value), null)),
        _ when BodyType(context) is not null => Problems.Make(bad.StatusCode, "not-json", "The body is not a JSON object", "Send one JSON object."),
        _ => Problems.Make(bad.StatusCode, "unreadable-request", "The request cannot be read", "/openapi/v1.json says what this call takes."),
    };

    private IResult InternalError(HttpContext context, Exception exception)
    {
        Log.Bug(log, exception, context.Request.Method, Route(context));
        return Problems.Make(500, "internal-error", "Something went wrong here",
            $"It is logged under trace {context.TraceIdentifier}. Nothing was half-done: each request is one statement in the database.");
    }

    /// <summary>What the endpoint's body wants at this path, in words.</summary>
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
            _ => "of another type; /openapi/v1.json says which",
        },
    };

    /// <summary>Returns the part of the path that should have been a host name, or null if the parameter is another one.</summary>
    private static string? HostnameInPath(HttpContext context, string name) =>
        TypeOfParameter(context, name) == typeof(Hostname) ? context.Features.Get<IExceptionHandlerFeature>()?.RouteValues?[name] as string : null;

    private static Type? BodyType(HttpContext context) => Endpoint(context)?.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;

    private static Type? TypeOfParameter(HttpContext context, string name)
    {
        var parameters = Endpoint(context)?.Metadata.GetMetadata<MethodInfo>()?.GetParameters() ?? [];
        var type = parameters.FirstOrDefault(parameter => parameter.Name == name)?.ParameterType;
        type = type is null ? null : Nullable.GetUnderlyingType(type) ?? type;
        return type is { IsGenericType: true } && type.GetGenericTypeDefinition() == typeof(EnumQuery<>) ? type.GenericTypeArguments[0] : type;
    }

    /// <summary>The framework names the parameter in its message only: <c>Failed to bind parameter "int limit" from "ten".</c></summary>
    [GeneratedRegex("""parameter "\S+ (?<name>\w+)" from "[^"]*"\.""")]
    private static partial Regex BadParameter();

    private static Endpoint? Endpoint(HttpContext context) => context.Features.Get<IExceptionHandlerFeature>()?.Endpoint;

    /// <summary>The pattern, not the path: an assignment's id is a secret of the person who asked.</summary>
    private static string Route(HttpContext context) => (Endpoint(context) as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)";

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} {Route} was answered with 503: {Error}")]
        public static partial void DatabaseAway(ILogger log, string method, string route, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Route} failed")]
        public static partial void Bug(ILogger log, Exception error, string method, string route);
    }
}
