using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Api.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Allocator.Api.Web;

/// <summary>Adds to the OpenAPI document what the metadata of endpoints cannot express: the title, the callers, CSV and Idempotency-Key.</summary>
internal static class OpenApiSetup
{
    public static void Configure(OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "Allocator",
                Version = "v1",
                Description = "Assigns workshop VMs to people. Errors are RFC 9457 problems with a stable 'type'; times are RFC 3339 UTC.",
            };
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [Callers.Vm] = Bearer("The VM's own token, from POST /vms"),
                [Callers.Enrolment] = Bearer("The deployment's enrolment token, or one from POST /enrolment-tokens"),
                [Callers.Admin] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = "basic",
                    Description = "An admin's name and password",
                },
                [ApiKey] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.ApiKey,
                    In = ParameterLocation.Header,
                    Name = "X-Api-Key",
                    Description = "An admin's API key",
                },
            };
            return Task.CompletedTask;
        });

        options.AddSchemaTransformer((schema, context, _) =>
        {
            var type = Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) ?? context.JsonTypeInfo.Type;
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(EnumQuery<>))
            {
                (schema.Type, schema.Properties, schema.Required) = (JsonSchemaType.String, null, null);
                schema.Enum = WireNames(type.GenericTypeArguments[0]);
            }
            if (type.IsEnum)
            {
                schema.Type = type == context.JsonTypeInfo.Type ? JsonSchemaType.String : JsonSchemaType.String | JsonSchemaType.Null;
                schema.Enum = WireNames(type);
            }
            if (type == typeof(Hostname))
            {
                (schema.Type, schema.Properties, schema.Required) = (JsonSchemaType.String, null, null);
            }
            return Task.CompletedTask;
        });

        options.AddOperationTransformer((operation, context, _) =>
        {
            var callers = context.Description.ActionDescriptor.EndpointMetadata.OfType<IAuthorizeData>().Select(data => data.Policy).OfType<string>();
            foreach (var scheme in callers.SelectMany(caller => caller == Callers.Admin ? new[] { caller, ApiKey } : [caller]))
            {
                operation.Security ??= [];
                operation.Security.Add(new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(scheme, context.Document)] = [] });
            }
            if (callers.Contains(Callers.Admin))
            {
                operation.Responses!.TryAdd("429", new OpenApiResponse
                {
                    Description = "Too many sign-ins failed or are being checked; Retry-After says when to try again",
                    Content = operation.Responses["401"].Content,
                });
            }
            if (context.Description.HttpMethod != HttpMethods.Get)
            {
                operation.Responses!.TryAdd("403", new OpenApiResponse
                {
                    Description = "A browser sent the request from a page of another site",
                    Content = operation.Responses["503"].Content,
                });
            }
            var text = new OpenApiSchema { Type = JsonSchemaType.String };
            var marks = context.Description.ActionDescriptor.EndpointMetadata;
            if (marks.OfType<CsvMetadata>().Any())
            {
                operation.Responses!["200"].Content!.Add(Csv.ContentType, new OpenApiMediaType { Schema = text });
            }
            if (marks.OfType<CsvBodyMetadata>().Any())
            {
                operation.RequestBody = new OpenApiRequestBody
                {
                    Required = true,
                    Content = new Dictionary<string, OpenApiMediaType> { [Csv.ContentType] = new() { Schema = text } },
                };
            }
            if (marks.OfType<IdempotencyMetadata>().Any())
            {
                operation.Parameters ??= [];
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = "Idempotency-Key",
                    In = ParameterLocation.Header,
                    Description = "A repetition of the request with the same key gets the first answer for 24 hours.",
                    Schema = text,
                });
            }
            return Task.CompletedTask;
        });
    }

    private const string ApiKey = "AdminApiKey";

    private static List<JsonNode> WireNames(Type type) =>
        [.. Enum.GetNames(type).Select(name => (JsonNode)JsonNamingPolicy.CamelCase.ConvertName(name))];

    private static OpenApiSecurityScheme Bearer(string description) =>
        new() { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = description };
}
