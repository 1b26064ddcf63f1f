import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.rmi.server.RMISocketFactory;

/** Starts jetty-runner with Java's naming service kept to loopback. Kill Bill opens it on all addresses, and no setting of its own helps. */
@SuppressWarnings("deprecation") // of the one way there is
final class Loopback extends RMISocketFactory {
    public static void main(String[] arguments) throws Exception {
        setSocketFactory(new Loopback());
        org.eclipse.jetty.runner.Runner.main(arguments);
    }

    @Override
    public ServerSocket createServerSocket(int port) throws IOException {
        return new ServerSocket(port, 0, InetAddress.getLoopbackAddress());
    }

    @Override
    public Socket createSocket(String host, int port) throws IOException {
        return new Socket(host, port);
    }
}
