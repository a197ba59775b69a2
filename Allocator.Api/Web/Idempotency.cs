using System.Security.Cryptography;
using System.Text.Json;
using Allocator.Api.Security;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Web;

/// <summary>
/// Lets a request that creates an assignment be repeated safely: with the same <c>Idempotency-Key</c> it is answered
/// for 24 hours as the first one was. What created nothing is not remembered, and is simply tried again.
/// </summary>
internal sealed class Idempotency(IdempotencyStore store) : IEndpointFilter
{
    private const string Header = "Idempotency-Key";
    private const int MaxKey = 255;

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var request = context.HttpContext.Request;
        if (!request.Headers.TryGetValue(Header, out var header))
        {
            return await next(context);
        }
        if (header is not [{ Length: > 0 and <= MaxKey } key] || key.Any(c => c is < ' ' or > '~'))
        {
            return Problems.Invalid(Header, $"one key of 1 to {MaxKey} printable ASCII characters, such as a UUID");
        }
        var caller = context.HttpContext.User.Actor();
        var cancel = request.HttpContext.RequestAborted;
        switch (await store.BeginAsync(caller, key, Hash(request, context.Arguments), cancel))
        {
            case IdempotencyState.Replay again:
                context.HttpContext.Response.Headers.Location = again.Location;
                return TypedResults.Text(again.Body, "application/json", statusCode: again.Status);
            case IdempotencyState.InProgress:
                context.HttpContext.Response.Headers.RetryAfter = "1";
                return Problems.KeyInUse;
            case IdempotencyState.AnotherRequest:
                return Problems.KeyReused;
        }
        var finished = false;
        try
        {
            var result = await next(context);
            if (Created((result as INestedHttpResult)?.Result ?? result) is var (status, location, assignment))
            {
                await store.FinishAsync(caller, key, status, location, assignment);
                finished = true;
            }
            return result;
        }
        finally
        {
            if (!finished)
            {
                await store.ForgetAsync(caller, key);
            }
        }
    }

    private static (int Status, string Location, Assignment Assignment)? Created(object? result) => result switch
    {
        Created<Assignment> { Value: { } made, Location: { } location } => (StatusCodes.Status201Created, location, made),
        Accepted<Assignment> { Value: { } made, Location: { } location } => (StatusCodes.Status202Accepted, location, made),
        _ => null,
    };

    /// <summary>Of what the request means: the path and the body as it was understood.</summary>
    private static byte[] Hash(HttpRequest request, IList<object?> arguments)
    {
        object? body = arguments.FirstOrDefault(argument => argument is AssignmentRequest or VmAssignmentRequest);
        return SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(new object?[] { request.Path.Value, body }));
    }
}

/// <summary>Marks a call that heeds <c>Idempotency-Key</c>.</summary>
internal sealed class IdempotencyMetadata;

internal static class IdempotencySetup
{
    /// <summary>Heeds <c>Idempotency-Key</c>, and says so in the OpenAPI document.</summary>
    public static RouteHandlerBuilder WithIdempotencyKey(this RouteHandlerBuilder endpoint) =>
        endpoint.AddEndpointFilter<Idempotency>().WithMetadata(new IdempotencyMetadata())
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity);
}
