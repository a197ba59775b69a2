using FluentValidation;

namespace Allocator.Api.Web;

/// <summary>Checks a body with its FluentValidation validator before the endpoint sees it.</summary>
internal sealed class Validation<T>(IValidator<T> validator) : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var body = context.Arguments.OfType<T>().FirstOrDefault();
        if (body is null)
        {
            return Problems.Make(400, "not-json", "A body is needed", "Send one JSON object.");
        }
        var result = await validator.ValidateAsync(body, context.HttpContext.RequestAborted);
        return result.IsValid ? await next(context) : Problems.Invalid(result.ToDictionary());
    }
}

internal static class ValidationSetup
{
    /// <summary>Validates the body of type <typeparamref name="T"/>, and says in the OpenAPI document that it does.</summary>
    public static RouteHandlerBuilder Validate<T>(this RouteHandlerBuilder endpoint) =>
        endpoint.AddEndpointFilter<Validation<T>>().ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge).ProducesProblem(StatusCodes.Status415UnsupportedMediaType);
}
