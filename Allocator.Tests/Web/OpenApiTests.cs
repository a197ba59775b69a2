using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Web;

public sealed class OpenApiTests(PostgresServer server)
{
    public static TheoryData<string, string, string> Calls => new()
    {
        // call, all its statuses, its callers
        { "post /vms", "201 400 401 403 404 409 413 415 503", "Enrolment" },
        { "get /assignment/{hostname}", "200 304 400 401 403 404 410 503", "Vm" },
        { "put /assignment/{hostname}/outcome", "204 400 401 403 404 409 410 413 415 503", "Vm" },
        { "put /vms/{hostname}/report", "204 400 401 403 404 410 413 415 503", "Vm" },
        { "post /assignments", "200 202 400 403 404 409 413 415 422 429 503", "" },
        { "get /assignments/{id}", "200 304 404 503", "" },
        { "delete /assignments/{id}", "204 403 404 503", "" },
        { "get /vms", "200 400 401 429 503", "Admin AdminApiKey" },
        { "get /vms/{hostname}", "200 401 404 410 429 503", "Admin AdminApiKey" },
        { "delete /vms/{hostname}", "204 401 403 404 409 429 503", "Admin AdminApiKey" },
        { "post /vms/{hostname}/hold", "204 401 403 404 410 429 503", "Admin AdminApiKey" },
        { "post /vms/{hostname}/unhold", "204 401 403 404 410 429 503", "Admin AdminApiKey" },
        { "post /vms/{hostname}/drain", "204 401 403 404 410 429 503", "Admin AdminApiKey" },
        { "post /vms/{hostname}/release", "204 401 403 404 410 429 503", "Admin AdminApiKey" },
        { "post /vms/{hostname}/assign", "200 201 400 401 403 404 409 410 413 415 422 429 503", "Admin AdminApiKey" },
        { "post /vms/hold", "200 400 401 403 413 415 429 503", "Admin AdminApiKey" },
        { "post /vms/unhold", "200 400 401 403 413 415 429 503", "Admin AdminApiKey" },
        { "post /vms/drain", "200 400 401 403 413 415 429 503", "Admin AdminApiKey" },
        { "post /vms/release", "200 400 401 403 413 415 429 503", "Admin AdminApiKey" },
        { "get /assignments", "200 400 401 429 503", "Admin AdminApiKey" },
        { "post /assignments/{id}/move", "200 400 401 403 404 409 410 413 415 429 503", "Admin AdminApiKey" },
        { "post /assignments/{id}/extend", "200 400 401 403 404 409 413 415 422 429 503", "Admin AdminApiKey" },
        { "post /assignments/release", "200 400 401 403 413 415 429 503", "Admin AdminApiKey" },
        { "post /enrolment-tokens", "201 400 401 403 404 413 415 429 503", "Admin AdminApiKey" },
        { "get /enrolment-tokens", "200 400 401 429 503", "Admin AdminApiKey" },
        { "delete /enrolment-tokens/{id}", "204 401 403 404 429 503", "Admin AdminApiKey" },
        { "get /events", "200 400 401 429 503", "Admin AdminApiKey" },
        { "get /pools/{pool}/roster", "200 400 401 404 429 503", "Admin AdminApiKey" },
        { "put /pools/{pool}/roster", "200 400 401 403 404 413 415 429 503", "Admin AdminApiKey" },
        { "delete /pools/{pool}/roster", "204 401 403 404 429 503", "Admin AdminApiKey" },
        { "get /pools", "200 401 429 503", "Admin AdminApiKey" },
        { "get /pools/{pool}", "200 401 404 429 503", "Admin AdminApiKey" },
        { "put /pools/{pool}", "204 400 401 403 409 413 415 429 503", "Admin AdminApiKey" },
        { "delete /pools/{pool}", "204 401 403 404 409 429 503", "Admin AdminApiKey" },
        { "get /health/live", "200", "" },
        { "get /health/ready", "200 503", "" },
        { "get /config", "200 401 429", "Admin AdminApiKey" },
        { "get /metrics", "200 404", "" },
        { "get /api/health/connections", "200 401 429 503", "Admin AdminApiKey" },
    };

    [Fact]
    public async Task Document_lists_every_call_with_every_response_and_who_may_make_it()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var document = (await deployment.Person.GetFromJsonAsync<JsonNode>("/openapi/v1.json"))!;
        var described = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var (path, operations) in document["paths"]!.AsObject())
        {
            foreach (var (method, operation) in operations!.AsObject())
            {
                var statuses = string.Join(' ', operation!["responses"]!.AsObject().Select(response => response.Key).Order());
                var callers = string.Join(' ', (operation["security"]?.AsArray() ?? []).Select(scheme => scheme!.AsObject().Single().Key));
                described.Add($"{method} {path}: {statuses}: {callers}");
                Assert.NotEmpty(operation["summary"]!.GetValue<string>());
                Assert.NotEmpty(operation["operationId"]!.GetValue<string>());
            }
        }
        Assert.Equal(Calls.Select(call => $"{call.Data.Item1.TrimEnd('/')}: {call.Data.Item2}: {call.Data.Item3}").Order(StringComparer.Ordinal),
            described);
    }

    [Fact]
    public async Task Document_describes_the_bodies()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var schemas = (await deployment.Person.GetFromJsonAsync<JsonNode>("/openapi/v1.json"))!["components"]!["schemas"]!;
        Assert.Equal(["hostname", "machineId"], schemas["EnrolmentRequest"]!["required"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.Equal(["free", "assigned", "cleaning", "held"], schemas["VmState"]!["enum"]!.AsArray().Select(name => name!.GetValue<string>()));
        var paths = (await deployment.Person.GetFromJsonAsync<JsonNode>("/openapi/v1.json"))!["paths"]!;
        foreach (var list in new[] { "/vms", "/assignments", "/events", "/pools/{pool}/roster" })
        {
            var path = paths[list] ?? paths[list + "/"];
            Assert.Equal(["application/json", "text/csv"], path!["get"]!["responses"]!["200"]!["content"]!.AsObject().Select(kind => kind.Key)
                .Order());
        }
        Assert.Equal("text/csv", (paths["/pools/{pool}/roster"] ?? paths["/pools/{pool}/roster/"])!["put"]!["requestBody"]!["content"]!.AsObject()
            .Single().Key);
        Assert.Contains("Idempotency-Key", (paths["/assignments"] ?? paths["/assignments/"])!["post"]!["parameters"]!.AsArray()
            .Select(parameter => parameter!["name"]!.GetValue<string>()));
        Assert.Contains("one-time code", schemas["RemoteDesktopCommand"]!["properties"]!["code"]!["description"]!.GetValue<string>(),
            StringComparison.Ordinal);
    }
}
