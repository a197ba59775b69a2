using System.Security.Claims;
using System.Text.Encodings.Web;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Vms;

/// <summary>
/// Authenticates machines by an enrolment token of the settings, or by one that an admin created. Whether the latter
/// has a use left is decided by the statement that enrols the machine.
/// </summary>
internal sealed class EnrolmentAuthentication(
    Credentials credentials,
    EnrolmentTokenStore tokens,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    RefusalLog refusals) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    /// <summary>The prefix of tokens that admins create. No host name contains an underscore, so no VM's token has it.</summary>
    private const string Prefix = "enrol_";

    private static readonly int Length = CreateToken().Length;
    private IResult _refusal = Problems.NeedsEnrolmentToken;

    /// <summary>Returns a new token: <c>enrol_&lt;256 random bits, base64url&gt;</c>.</summary>
    public static string CreateToken() => Prefix + VmToken.RandomSecret();

    /// <summary>Returns the admin-created token of this request, or null if its token is one of the settings.</summary>
    public static PresentedToken? Presented(HttpContext context) => context.Features.Get<PresentedToken>();

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var token = VmToken.FromHeader(Request.Headers.Authorization).Text.ToString();
        if (token.Length == 0)
        {
            return Refuse(Problems.NeedsEnrolmentToken);
        }
        if (!credentials.IsEnrolmentToken(token))
        {
            // Skip the query for strings that cannot be a token.
            var presented = token.Length == Length && token.StartsWith(Prefix, StringComparison.Ordinal)
                ? await tokens.FindAsync(TokenHash.Of(token), Context.RequestAborted)
                : null;
            if (presented is null or { IsExpired: true })
            {
                return Refuse(presented is null ? Problems.WrongEnrolmentToken : Problems.EnrolmentTokenExpired);
            }
            Context.Features.Set(presented);
        }
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(Callers.Enrolment)), Callers.Enrolment));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        refusals.Add();
        Response.Headers.WWWAuthenticate = VmToken.Challenge;
        return _refusal.ExecuteAsync(Context);
    }

    private AuthenticateResult Refuse(IResult refusal)
    {
        _refusal = refusal;
        return AuthenticateResult.NoResult();
    }
}
