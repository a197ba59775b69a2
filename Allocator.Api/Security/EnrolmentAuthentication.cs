using System.Security.Claims;
using System.Text.Encodings.Web;
using Allocator.Api.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Security;

/// <summary>A machine that may join the fleet knows one of the deployment's enrolment tokens.</summary>
internal sealed class EnrolmentAuthentication(
    Credentials credentials,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Name = "Enrolment";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var token = VmToken.FromHeader(Request.Headers.Authorization).Text;
        return Task.FromResult(!token.IsEmpty && credentials.IsEnrolmentToken(token)
            ? AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(Name)), Name))
            : AuthenticateResult.NoResult());
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = VmToken.Challenge;
        return Problems.NeedsEnrolmentToken.ExecuteAsync(Context);
    }
}
