using FluentValidation;

namespace Allocator.Api.Web;

/// <summary>Checks the body with its FluentValidation validator before the endpoint runs.</summary>
internal sealed class Validation<T>(IValidator<T> validator) : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var body = context.Arguments.OfType<T>().FirstOrDefault();
        if (body is null)
        {
            return Problems.Make(400, "not-json", "A body is required", "Send one JSON object.");
        }
        var result = await validator.ValidateAsync(body, context.HttpContext.RequestAborted);
        return result.IsValid ? await next(context) : Problems.Invalid(result.ToDictionary());
    }
}

internal static class ValidationSetup
{
    /// <summary>Validates the body of type <typeparamref name="T"/>, and documents the refusals in the OpenAPI document.</summary>
    public static RouteHandlerBuilder Validate<T>(this RouteHandlerBuilder endpoint) =>
        endpoint.AddEndpointFilter<Validation<T>>().ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge).ProducesProblem(StatusCodes.Status415UnsupportedMediaType);
}
