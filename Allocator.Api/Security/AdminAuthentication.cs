using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Allocator.Api.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Security;

/// <summary>Authenticates admins by HTTP Basic, and their programs by <c>X-Api-Key</c>.</summary>
internal sealed class AdminAuthentication(
    Credentials credentials,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    private const string Basic = "Basic ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var admin = Request.Headers["X-Api-Key"] is [{ Length: > 0 } key]
            ? credentials.OwnerOfApiKey(key)
            : await OwnerOfPasswordAsync();
        return admin is null
            ? AuthenticateResult.NoResult()
            : AuthenticateResult.Success(new AuthenticationTicket(
                new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, admin)], Callers.Admin)), Callers.Admin));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = "Basic realm=\"Allocator\", charset=\"UTF-8\"";
        return Problems.NeedsAdmin.ExecuteAsync(Context);
    }

    private async Task<string?> OwnerOfPasswordAsync()
    {
        if (Request.Headers.Authorization is not [{ } header] || !header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }
        var encoded = header.AsSpan(Basic.Length).Trim();
        var decoded = new byte[encoded.Length];
        if (!Convert.TryFromBase64Chars(encoded, decoded, out var length))
        {
            return null;
        }
        var pair = Encoding.UTF8.GetString(decoded, 0, length);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        if (colon < 1)
        {
            return null;
        }
        var name = pair[..colon];
        return await credentials.IsPasswordAsync(name, pair[(colon + 1)..], Context.RequestAborted) ? name : null;
    }
}
