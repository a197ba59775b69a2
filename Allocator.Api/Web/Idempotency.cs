using System.Security.Cryptography;
using System.Text.Json;
using Allocator.Api.Security;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Web;

/// <summary>The Idempotency-Key of a request, which is valid for its caller only.</summary>
internal sealed record IdempotencyKey(string Caller, string Value)
{
    public const string Header = "Idempotency-Key";

    /// <summary>Gets the key of the request, or null if it has none. The framework calls this for parameters of this type.</summary>
    public static ValueTask<IdempotencyKey?> BindAsync(HttpContext context) => ValueTask.FromResult(Of(context));

    public static IdempotencyKey? Of(HttpContext context) =>
        context.Request.Headers.TryGetValue(Header, out var header) ? new IdempotencyKey(context.User.Actor(), header.ToString()) : null;
}

/// <summary>
/// Answers a repeated request with the same <c>Idempotency-Key</c> for 24 hours as the first one. A request that changed
/// nothing is not remembered; its repetition is carried out.
/// </summary>
internal sealed class Idempotency(IdempotencyStore store) : IEndpointFilter
{
    private const int MaxKey = 255;

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var (request, response) = (context.HttpContext.Request, context.HttpContext.Response);
        if (IdempotencyKey.Of(context.HttpContext) is not { } key)
        {
            return await next(context);
        }
        if (request.Headers[IdempotencyKey.Header].Count != 1 || key.Value.Length is 0 or > MaxKey || key.Value.Any(c => c is < ' ' or > '~'))
        {
            return Problems.Invalid(IdempotencyKey.Header, $"one key of 1 to {MaxKey} printable ASCII characters, such as a UUID");
        }
        object? body = context.Arguments.FirstOrDefault(argument => argument is AssignmentRequest or VmAssignmentRequest or ExtensionRequest);
        switch (await store.BeginAsync(key, Hash(request, body), request.HttpContext.RequestAborted))
        {
            case IdempotencyState.Replay { Status: StatusCodes.Status200OK } changed:
                return TypedResults.Text(changed.Body, "application/json");
            case IdempotencyState.Replay created:
                response.Headers.Location = created.Location;
                return TypedResults.Text(created.Body, "application/json", statusCode: created.Status);
            case IdempotencyState.InProgress:
                response.Headers.RetryAfter = "1";
                return Problems.KeyInUse;
            case IdempotencyState.AnotherRequest:
                return Problems.KeyReused;
        }
        var finished = false;
        try
        {
            var result = await next(context);
            if (Changed((result as INestedHttpResult)?.Result ?? result, body) is var (status, location, assignment))
            {
                await store.FinishAsync(key, status, location, assignment);
                finished = true;
            }
            return result;
        }
        finally
        {
            if (!finished)
            {
                await store.ReleaseAsync(key);
            }
        }
    }

    private static (int Status, string Location, Assignment Assignment)? Changed(object? result, object? body) => result switch
    {
        Created<Assignment> { Value: { } made, Location: { } location } => (StatusCodes.Status201Created, location, made),
        Accepted<Assignment> { Value: { } made, Location: { } location } => (StatusCodes.Status202Accepted, location, made),
        Ok<Assignment> { Value: { } extended } when body is ExtensionRequest => (StatusCodes.Status200OK, $"/assignments/{extended.Id}", extended),
        _ => null,
    };

    /// <summary>Returns the hash of what the request means: its path, and its body after parsing.</summary>
    private static byte[] Hash(HttpRequest request, object? body) =>
        SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(new[] { request.Path.Value, body }));
}

/// <summary>Marks an endpoint that accepts an <c>Idempotency-Key</c>.</summary>
internal sealed class IdempotencyMetadata;

internal static class IdempotencySetup
{
    /// <summary>Accepts an <c>Idempotency-Key</c>, and documents this in the OpenAPI document.</summary>
    public static RouteHandlerBuilder WithIdempotencyKey(this RouteHandlerBuilder endpoint) =>
        endpoint.AddEndpointFilter<Idempotency>().WithMetadata(new IdempotencyMetadata())
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity);
}
