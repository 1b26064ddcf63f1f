import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.rmi.server.RMISocketFactory;

/** Starts jetty-runner without Java's naming service, which Kill Bill opens on all addresses, and which no setting of its own keeps closed. */
@SuppressWarnings("deprecation") // of the one way there is
final class WithoutRemote extends RMISocketFactory {
    public static void main(String[] arguments) throws Exception {
        setSocketFactory(new WithoutRemote());
        org.eclipse.jetty.runner.Runner.main(arguments);
    }

    @Override
    public ServerSocket createServerSocket(int port) throws IOException {
        throw new IOException("nothing listens here but the web server");
    }

    @Override
    public Socket createSocket(String host, int port) throws IOException {
        throw new IOException("nothing is asked by remote calls");
    }
}
